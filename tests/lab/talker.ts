// Runs inside a pod's namespace: echoes on ports, and asks others on request, one JSON line each.
// deno run --unstable-net --allow-net talker.ts TCP,PORTS UDP,PORTS

/** A question: does the pod at `ip` answer on that port? */
export interface Ask {
  readonly id: number;
  readonly protocol: "tcp" | "udp";
  readonly ip: string;
  readonly port: number;
  readonly limitMs: number;
  /** Of UDP: size of the question and of its answer. @default 5 */
  readonly bytes?: number;
  /** Of UDP: how often it is sent. @default 4 */
  readonly tries?: number;
}

/** What became of it. */
export interface Answered {
  readonly id: number;
  readonly isAnswered: boolean;
}

const LARGEST = 65_535;
const WORD = new TextEncoder().encode("hello");

async function main(): Promise<void> {
  const [tcp = "", udp = ""] = Deno.args.map((list) => list.split(",").filter(Boolean).map(Number));
  for (const port of tcp) void serveTcp(Number(port));
  for (const port of udp) void serveUdp(Number(port));
  console.log("ready");
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const chunk of lines) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) void reply(JSON.parse(line));
  }
}

async function serveTcp(port: number): Promise<void> {
  for await (const connection of Deno.listen({ port })) {
    connection.readable.pipeTo(connection.writable).catch(() => {});
  }
}

async function serveUdp(port: number): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  const room = new Uint8Array(LARGEST);
  while (true) {
    const [bytes, from] = await socket.receive(room);
    await socket.send(bytes, from).catch(() => {});
  }
}

async function reply(ask: Ask): Promise<void> {
  const isAnswered = await (ask.protocol === "tcp" ? askTcp(ask) : askUdp(ask)).catch(() => false);
  const answered: Answered = { id: ask.id, isAnswered };
  console.log(JSON.stringify(answered));
}

async function askTcp({ ip, port, limitMs }: Ask): Promise<boolean> {
  const signal = AbortSignal.timeout(limitMs);
  using connection = await Deno.connect({ hostname: ip, port, signal });
  await connection.write(WORD);
  // A connection that was made, and is cut then, never says so.
  const late = new Promise<number>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  return await Promise.race([connection.read(new Uint8Array(16)), late]) === WORD.length;
}

async function askUdp({ ip, port, limitMs, bytes, tries: most = 4 }: Ask): Promise<boolean> {
  const question = bytes === undefined ? WORD : new Uint8Array(bytes);
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const heard = socket.receive(new Uint8Array(LARGEST))
    .then(([answer]) => answer.length === question.length, () => false);
  try {
    for (let tries = 0; tries < most; tries++) {
      await socket.send(question, { transport: "udp", hostname: ip, port }).catch(() => {});
      const pause = new Promise<false>((done) => setTimeout(() => done(false), limitMs / most));
      if (await Promise.race([heard, pause])) return true;
    }
    return false;
  } finally {
    socket.close();
  }
}

await main();
