// One TCP stream, from inside a pod: `serve BYTES` takes one and confirms it; `send IP BYTES` sends one
// and prints the milliseconds until it was confirmed.

const PORT = 5_001;
const [verb, ...words] = Deno.args;

async function serve(bytes: number): Promise<void> {
  using listener = Deno.listen({ hostname: "0.0.0.0", port: PORT });
  console.log("listening");
  using conn = await listener.accept();
  const chunk = new Uint8Array(1 << 20);
  for (let got = 0; got < bytes;) {
    const count = await conn.read(chunk);
    if (count === null) throw new Error(`the stream ended after ${got} bytes`);
    got += count;
  }
  await conn.write(new Uint8Array(1));
}

async function send(hostname: string, bytes: number): Promise<void> {
  using conn = await Deno.connect({ hostname, port: PORT });
  const chunk = new Uint8Array(1 << 18);
  const start = performance.now();
  for (let sent = 0; sent < bytes;) {
    sent += await conn.write(chunk.subarray(0, Math.min(chunk.length, bytes - sent)));
  }
  await conn.read(new Uint8Array(1));
  console.log(performance.now() - start);
}

if (verb === "serve") await serve(Number(words[0]));
else await send(words[0] ?? "", Number(words[1]));
