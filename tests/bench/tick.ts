// Datagrams from pod to pod, one every 2 ms. `send IP` sends them. `receive` prints `allowed MS` when the
// first one arrives after a silence, and `denied MS` with the time at which the first lost one was sent.
// Both are milliseconds since 1970.

const PORT = 5_002;
const EVERY_MS = 2;
const SILENCE_MS = 250;
const [verb, ip = ""] = Deno.args;
const now = () => performance.timeOrigin + performance.now();

async function send(hostname: string): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const payload = new Float64Array(1);
  while (true) {
    payload[0] = now();
    await socket.send(new Uint8Array(payload.buffer), { transport: "udp", hostname, port: PORT })
      .catch(() => {});
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

async function receive(): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: PORT });
  console.log("ready");
  let [lastSent, isAllowed] = [0, false];
  let silence: ReturnType<typeof setTimeout> | undefined;
  for await (const [bytes] of socket) {
    lastSent = new Float64Array(bytes.slice().buffer)[0]!;
    if (!isAllowed) console.log(`allowed ${now()}`);
    isAllowed = true;
    clearTimeout(silence);
    silence = setTimeout(() => {
      isAllowed = false;
      console.log(`denied ${lastSent + EVERY_MS}`);
    }, SILENCE_MS);
  }
}

await (verb === "receive" ? receive() : send(ip));
