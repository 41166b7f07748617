import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type HttpLimits,
  parseHead,
  type PlainHandler,
  servePlainHttp,
} from "../../../../lib/agent/metrics/plain_http.ts";
import { answerProbes, type Problem } from "../../../../lib/agent/metrics/probes.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { waitFor } from "../../../lab/wait.ts";

const LIMITS: HttpLimits = {
  ...{ connections: 4, headBytes: 1_000, headMs: 60_000, idleMs: 60_000, writeMs: 60_000 },
};

/** One connection in memory: the client's end, and the server's. */
class Pipe {
  readonly #toServer: Uint8Array[] = [];
  #wake = () => {};
  #isEnded = false;
  isClosed = false;
  /** Whether the client takes what the server writes. */
  isReading = true;
  /** What the server has written. */
  answer = "";

  send(text: string): void {
    this.#toServer.push(new TextEncoder().encode(text));
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  server(): Deno.Conn {
    const conn = {
      read: async (into: Uint8Array) => {
        while (this.#toServer.length === 0 && !this.#isEnded) {
          if (this.isClosed) throw new Deno.errors.BadResource("closed");
          await new Promise<void>((done) => this.#wake = done);
        }
        const chunk = this.#toServer.shift();
        if (!chunk) return null;
        into.set(chunk.subarray(0, into.length));
        if (chunk.length > into.length) this.#toServer.unshift(chunk.subarray(into.length));
        return Math.min(chunk.length, into.length);
      },
      write: async (bytes: Uint8Array) => {
        while (!this.isReading) {
          if (this.isClosed) throw new Deno.errors.BadResource("closed");
          await new Promise<void>((done) => this.#wake = done);
        }
        this.answer += new TextDecoder().decode(bytes.subarray(0, 100));
        return Math.min(bytes.length, 100);
      },
      closeWrite: () => Promise.resolve(),
      close: () => {
        this.isClosed = true;
        this.#wake();
      },
    };
    return conn as unknown as Deno.Conn;
  }
}

/** A server in memory. */
function serve(handler: PlainHandler, limits: Partial<HttpLimits> = {}) {
  const arrivals: Pipe[] = [];
  let [wake, isClosed, accepted] = [() => {}, false, 0];
  const listener = {
    accept: async () => {
      while (arrivals.length === 0) {
        if (isClosed) throw new Deno.errors.BadResource("closed");
        await new Promise<void>((done) => wake = done);
      }
      accepted++;
      return arrivals.shift()!.server();
    },
  };
  const serving = servePlainHttp(
    listener as unknown as Deno.Listener<Deno.Conn>,
    handler,
    { ...LIMITS, ...limits },
  ).catch(() => {});
  return {
    accepted: () => accepted,
    connect: (...texts: string[]) => {
      const pipe = new Pipe();
      texts.forEach((text) => pipe.send(text));
      arrivals.push(pipe);
      wake();
      return pipe;
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
      wake();
      await serving;
    },
  };
}

const GET = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const echo: PlainHandler = ({ path }) => ({ status: 200, text: `at ${path}\n` });
const until = (what: string, check: () => boolean) => waitFor(what, check, { everyMs: 1 });

Deno.test("requests of one connection are answered one after another, however they are cut", async () => {
  await using server = serve(echo);
  const pipe = server.connect(
    "GET /a?x=1 HT",
    "TP/1.1\r\nHo",
    "st: h\r\n\r",
    "\nGET /b HTTP/1.1\r\n\r\n",
  );
  await until("both", () => pipe.answer.includes("at /b"));
  assertMatch(pipe.answer, /^HTTP\/1.1 200 OK\r\nContent-Type: text\/plain; charset=utf-8\r\n/);
  assertMatch(pipe.answer, /Content-Length: 6\r\n[^]*keep-alive\r\n\r\nat \/a\nHTTP\/1.1 200/);
  assert(!pipe.isClosed);
  pipe.send("HEAD /c HTTP/1.0\r\n\r\n");
  await until("the head alone", () => pipe.answer.endsWith("Connection: close\r\n\r\n"));
  pipe.end();
  await until("the end", () => pipe.isClosed);
});

Deno.test("what is not a GET is answered with a sentence, and its connection ends", async () => {
  await using server = serve(echo);
  const wrong = {
    "POST /metrics HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd":
      /^HTTP\/1.1 405 [^]*Allow: GET, HEAD\r\n[^]*POST is not allowed/,
    [`GET /${"x".repeat(2_000)} HTTP/1.1\r\n\r\n`]: /^HTTP\/1.1 431 [^]*too long/,
    [`GET / HTTP/1.1\r\nX: ${"x".repeat(2_000)}`]: /^HTTP\/1.1 431 /,
    "\x16\x03\x01 TLS\r\n\r\n": /^HTTP\/1.1 400 [^]*it is not HTTP/,
    "GET / HTTP/1.1\r\nno colon\r\n\r\n": /^HTTP\/1.1 400 [^]*header is malformed/,
    "GET http://[ HTTP/1.1\r\n\r\n": /^HTTP\/1.1 400 [^]*target is malformed/,
    "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nGE": /^HTTP\/1.1 200 [^]*Connection: close/,
  };
  for (const [text, expected] of Object.entries(wrong)) {
    const pipe = server.connect(text);
    await until(text.slice(0, 30), () => expected.test(pipe.answer));
    pipe.end();
    await until(`end of ${text.slice(0, 30)}`, () => pipe.isClosed);
    assertEquals(pipe.answer.match(/HTTP\/1.1 \d/g)?.length, 1, text.slice(0, 30));
  }
});

Deno.test("a client that sends nothing, or does not read, is closed at its limit", async () => {
  await using server = serve(echo, { headMs: 20, writeMs: 20, idleMs: 20 });
  const pipes = [server.connect(), server.connect("GET / HT"), server.connect(GET)];
  const deaf = server.connect();
  deaf.isReading = false;
  deaf.send(GET);
  await until("the end of all", () => [...pipes, deaf].every(({ isClosed }) => isClosed));
  assertMatch(pipes[2]!.answer, /at \/\n$/);
});

Deno.test("connections beyond the limit wait; one that asks nothing makes room", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow: PlainHandler = async ({ path }) => {
    if (path === "/slow") await promise;
    return { status: 200, text: `at ${path}\n` };
  };
  await using server = serve(slow);
  const busy = [1, 2, 3].map(() => server.connect(GET.replace("/", "/slow")));
  const kept = server.connect(GET);
  await until("an idle one", () => kept.answer !== "");
  const late = server.connect(GET);
  await until("its answer", () => late.answer !== "");
  assert(kept.isClosed, "the idle connection has made room");
  const waiting = [1, 2, 3].map(() => server.connect(GET));
  resolve();
  await until("all", () => [...busy, ...waiting].every(({ answer }) => answer !== ""));
});

Deno.test("a handler that fails is answered with what failed", async () => {
  await using server = serve(() => Promise.reject(new Fault("failed", "no text")));
  const pipe = server.connect(GET);
  await until("500", () => pipe.answer.endsWith("no text\n"));
  assertMatch(pipe.answer, /^HTTP\/1.1 500 Internal Server Error\r\n/);
});

Deno.test("parseHead() keeps a connection as HTTP's versions say", () => {
  const isLast = (text: string) => {
    const head = parseHead(text);
    return "request" in head && head.isLast;
  };
  assertEquals(isLast("GET / HTTP/1.1\r\n\r\n"), false);
  assertEquals(isLast("GET / HTTP/1.1\r\nCONNECTION: Close\r\n\r\n"), true);
  assertEquals(isLast("GET / HTTP/1.0\r\n\r\n"), true);
  assertEquals(isLast("GET / HTTP/1.0\nConnection: keep-alive\n\n"), false);
});

function probes(
  { closed, problems = [], token }: {
    readonly closed?: string;
    readonly problems?: readonly Problem[];
    readonly token?: () => Promise<string>;
  },
) {
  const answer = answerProbes({
    metrics: () => Promise.resolve("m 1\n"),
    closed: () => closed,
    problems: () => problems,
    token: token ?? (() => Promise.resolve(undefined)),
  });
  return async (path: string, authorization?: string) => {
    const headers = new Map(authorization === undefined ? [] : [["authorization", authorization]]);
    const { status, text } = await answer({ path, headers });
    return `${status} ${text}`;
  };
}

Deno.test("probes say whether new pods can be set up, and what else does not work", async () => {
  const at = probes({});
  assertEquals(await at("/healthz"), "200 ok\n");
  assertEquals(await at("/readyz"), "200 ready\n");
  assertEquals(await at("/metrics"), "200 m 1\n");
  assertMatch(await at("/nothing"), /^404 there is nothing at this path: see \/metrics /);
  const starting = probes({ closed: "agent is starting: reading the store" });
  assertEquals(await starting("/healthz"), "200 ok\n");
  assertEquals(await starting("/readyz"), "503 [-] agent is starting: reading the store\n");
  const stopping = probes({ closed: "agent is stopping", problems: [] });
  assertEquals(await stopping("/healthz"), "200 ok\n");
  assertEquals(await stopping("/readyz"), "503 [-] agent is stopping\n");
  const store = { part: "store", why: "unreachable", isVital: false };
  assertEquals(
    await probes({ problems: [store] })("/readyz"),
    "200 ready\n[!] store: unreachable\n",
  );
  const ovs = { part: "Open vSwitch", why: "away", isVital: true };
  assertEquals(
    await probes({ problems: [store, ovs] })("/readyz"),
    "503 not ready\n[!] store: unreachable\n[-] Open vSwitch: away\n",
  );
});

Deno.test("with a token only those who send it read metrics; probes need none", async () => {
  const at = probes({ token: () => Promise.resolve("secret") });
  for (const wrong of [undefined, "", "Bearer", "Bearer secre", "Bearer secrett", "Basic secret"]) {
    assertMatch(await at("/metrics", wrong), /^401 the token .* is needed/);
  }
  assertEquals(await at("/metrics", "bearer secret"), "200 m 1\n");
  assertEquals(await at("/readyz"), "200 ready\n");
  const broken = probes({ token: () => Promise.reject(new Fault("unavailable", "no token")) });
  assertEquals(await broken("/metrics", "Bearer secret"), "503 no token\n");
});
