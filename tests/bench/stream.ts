// One TCP stream, run inside a pod: `serve PORT BYTES` receives one and confirms it; `send PORT IP BYTES` sends
// one and prints the milliseconds until it was confirmed.

const [verb, portText, ...args] = Deno.args;
const port = Number(portText);

async function serve(bytes: number): Promise<void> {
  using listener = Deno.listen({ hostname: "0.0.0.0", port });
  console.log("listening");
  using conn = await listener.accept();
  const chunk = new Uint8Array(1 << 20);
  for (let received = 0; received < bytes;) {
    const count = await conn.read(chunk);
    if (count === null) throw new Error(`the stream ended after ${received} bytes`);
    received += count;
  }
  await conn.write(new Uint8Array(1));
}

async function send(hostname: string, bytes: number): Promise<void> {
  using conn = await Deno.connect({ hostname, port });
  const chunk = new Uint8Array(1 << 18);
  const start = performance.now();
  for (let sent = 0; sent < bytes;) {
    sent += await conn.write(chunk.subarray(0, Math.min(chunk.length, bytes - sent)));
  }
  await conn.read(new Uint8Array(1));
  console.log(performance.now() - start);
}

if (verb === "serve") await serve(Number(args[0]));
else await send(args[0] ?? "", Number(args[1]));
