// Runs inside a pod's namespace: echoes on ports, or says its name and the address that it sees, and asks others
// on request, one JSON line each. deno run --unstable-net --allow-net talker.ts TCP,PORTS UDP,PORTS [NAME]

/** A question: does the pod at `ip` answer on that port? */
export interface Ask {
  readonly id: number;
  readonly protocol: "tcp" | "udp";
  readonly ip: string;
  readonly port: number;
  readonly limitMs: number;
  /** Size of the question and of its echo. @default 5 */
  readonly bytes?: number;
  /** Of UDP: how often it is sent. @default 4 */
  readonly tries?: number;
  /** Asks for the other's name and the address that it sees, instead of an echo. @default false */
  readonly isWho?: boolean;
}

/** What became of it. */
export interface Answered {
  readonly id: number;
  readonly isAnswered: boolean;
  /** Of a question for the name: `NAME saw ADDRESS`, over UDP followed by the size that arrived. */
  readonly answer?: string;
}

const LARGEST = 65_535;
const [TCP_PORTS = "", UDP_PORTS = "", NAME = "nobody"] = Deno.args;

/** Returns a question: all zeros but its first word. */
function questionOf({ bytes = 5, isWho = false }: Ask): Uint8Array<ArrayBuffer> {
  const question = new Uint8Array(Math.max(bytes, 3));
  question.set(new TextEncoder().encode(isWho ? "who" : "say"));
  return question;
}

function isWho(question: Uint8Array): boolean {
  return new TextDecoder().decode(question.subarray(0, 3)) === "who";
}

function say(address: Deno.Addr, more = ""): Uint8Array {
  const { hostname } = address as Deno.NetAddr;
  return new TextEncoder().encode(`${NAME} saw ${hostname}${more}`);
}

async function main(): Promise<void> {
  const numbers = (list: string) => list.split(",").filter(Boolean).map(Number);
  for (const port of numbers(TCP_PORTS)) void serveTcp(port);
  for (const port of numbers(UDP_PORTS)) void serveUdp(port);
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
    void serveConnection(connection).catch(() => {});
  }
}

async function serveConnection(connection: Deno.TcpConn): Promise<void> {
  using _closed = connection;
  const room = new Uint8Array(LARGEST);
  for (let count = await connection.read(room); count; count = await connection.read(room)) {
    const bytes = room.slice(0, count);
    await writeAll(connection, isWho(bytes) ? say(connection.remoteAddr) : bytes);
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function serveUdp(port: number): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
  const room = new Uint8Array(LARGEST);
  while (true) {
    const [bytes, from] = await socket.receive(room);
    const answer = isWho(bytes) ? say(from, ` ${bytes.length}`) : bytes;
    await socket.send(answer, from).catch(() => {});
  }
}

async function reply(ask: Ask): Promise<void> {
  const heard = await (ask.protocol === "tcp" ? askTcp(ask) : askUdp(ask)).catch(() => undefined);
  const answered: Answered = {
    id: ask.id,
    isAnswered: heard !== undefined,
    ...heard && ask.isWho ? { answer: new TextDecoder().decode(heard) } : {},
  };
  console.log(JSON.stringify(answered));
}

/** Returns the answer; undefined or an error if it is not what an answer is. */
async function askTcp(ask: Ask): Promise<Uint8Array | undefined> {
  const { ip, port, limitMs } = ask;
  const signal = AbortSignal.timeout(limitMs);
  using connection = await Deno.connect({ hostname: ip, port, signal });
  const question = questionOf(ask);
  const sending = writeAll(connection, question);
  sending.catch(() => {});
  // A connection that was made, and is cut then, never says so.
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  const room = new Uint8Array(LARGEST);
  let heard = 0;
  while (heard < question.length) {
    const count = await Promise.race([connection.read(room), late]);
    if (count === null) return undefined;
    if (ask.isWho) return room.slice(0, count);
    heard += count;
  }
  return question;
}

async function askUdp(ask: Ask): Promise<Uint8Array | undefined> {
  const { ip, port, limitMs, tries: most = 4 } = ask;
  const question = questionOf(ask);
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const heard = socket.receive(new Uint8Array(LARGEST))
    .then(([answer]) => ask.isWho || answer.length === question.length ? answer : undefined)
    .catch(() => undefined);
  try {
    for (let tries = 0; tries < most; tries++) {
      await socket.send(question, { transport: "udp", hostname: ip, port }).catch(() => {});
      const pause = new Promise<undefined>((done) =>
        setTimeout(() => done(undefined), limitMs / most)
      );
      const answer = await Promise.race([heard, pause]);
      if (answer) return answer;
    }
    return undefined;
  } finally {
    socket.close();
  }
}

await main();
