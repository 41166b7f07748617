// Datagrams from pod to pod, one every 2 ms, and when they begin and cease to arrive: `send IP`, and
// `hear`, which prints `open MS` for the first one that arrives after a silence, and `shut MS` when the
// first one that did not arrive was sent. Both are milliseconds since 1970.

const PORT = 5_002;
const EVERY_MS = 2;
const SILENCE_MS = 250;
const [verb, ip = ""] = Deno.args;
const now = () => performance.timeOrigin + performance.now();

async function send(hostname: string): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const word = new Float64Array(1);
  while (true) {
    word[0] = now();
    await socket.send(new Uint8Array(word.buffer), { transport: "udp", hostname, port: PORT })
      .catch(() => {});
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

async function hear(): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: PORT });
  console.log("ready");
  let [lastSent, isOpen] = [0, false];
  let silence: ReturnType<typeof setTimeout> | undefined;
  for await (const [bytes] of socket) {
    lastSent = new Float64Array(bytes.slice().buffer)[0]!;
    if (!isOpen) console.log(`open ${now()}`);
    isOpen = true;
    clearTimeout(silence);
    silence = setTimeout(() => {
      isOpen = false;
      console.log(`shut ${lastSent + EVERY_MS}`);
    }, SILENCE_MS);
  }
}

await (verb === "hear" ? hear() : send(ip));
