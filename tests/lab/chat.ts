// Runs inside a pod's namespace: says a word every so often on one connection, and prints a dot for
// each echo. deno run --unstable-net --allow-net chat.ts tcp|udp IP PORT [EVERY_MS]

const [protocol, ip = "", port = "", everyMs = "20"] = Deno.args;
const word = new TextEncoder().encode("x");
const dot = new TextEncoder().encode(".");
const pause = () => new Promise((done) => setTimeout(done, Number(everyMs)));

async function tcp(): Promise<void> {
  using connection = await Deno.connect({ hostname: ip, port: Number(port) });
  void (async () => {
    while (true) {
      await connection.write(word);
      await pause();
    }
  })();
  const buffer = new Uint8Array(64);
  while (await connection.read(buffer) !== null) await Deno.stdout.write(dot);
}

async function udp(): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  void (async () => {
    for await (const _ of socket) await Deno.stdout.write(dot);
  })();
  while (true) {
    await socket.send(word, { transport: "udp", hostname: ip, port: Number(port) }).catch(() => {});
    await pause();
  }
}

await (protocol === "tcp" ? tcp() : udp());
