// A proxy, TCP or unix, that can be set to be slow, to lose answers, to fall silent or to refuse: what
// a network does.

/** What happens to what goes through. */
export type ProxyMode =
  /** All passes. */
  | "open"
  /** The next bytes of an answer are thrown away and the connection is closed. */
  | "lose-answers"
  /** Nothing passes in either direction, and no connection is closed. */
  | "silent"
  /** All connections are closed, and those that come as soon as they come. */
  | "closed";

/** A running proxy, by default on a free port of 127.0.0.1. */
export interface Proxy extends Disposable {
  /** `HOST:PORT`, or a path. */
  readonly endpoint: string;
  mode: ProxyMode;
  /** How much later than it came each part of an answer goes on. @default 0 */
  delayMs: number;
  /** Where new connections go: `HOST:PORT`, or a path. */
  target: string;
  /** How many answers were lost. */
  readonly lost: number;
  /** Bytes that went through to the target and back, and requests of HTTP/1.1 among them. */
  readonly passed: { readonly sent: number; readonly received: number; readonly requests: number };
  /** Connections that are open now. */
  readonly open: number;
  /** When each connection came, in milliseconds of performance.now(). */
  readonly arrivals: readonly number[];
  /** Takes no more connections: they are refused. What is open goes on. */
  refuse(): void;
  /** Silences for ever the connections whose last request began with `words`; returns how many. */
  forget(words: string): number;
}

interface Line {
  request: string;
  isForgotten: boolean;
}

/** Starts a proxy to `target` (`HOST:PORT`). */
export function startProxy(
  target: string,
  place: { readonly hostname: string; readonly port: number } = { hostname: "127.0.0.1", port: 0 },
): Proxy {
  const listener = Deno.listen(place);
  return serving(new Joined(target, listener, `${listener.addr.hostname}:${listener.addr.port}`));
}

/** Starts a proxy at the unix socket `path` to the one at `target`. */
export function startUnixProxy(path: string, target: string): Proxy {
  return serving(new Joined(target, Deno.listen({ transport: "unix", path }), path));
}

function serving(proxy: Joined): Proxy {
  void proxy.serve();
  return proxy;
}

function connect(target: string): Promise<Deno.Conn> {
  if (target.startsWith("/")) return Deno.connect({ transport: "unix", path: target });
  const [hostname = "", port] = target.split(":");
  return Deno.connect({ hostname, port: Number(port) });
}

class Joined implements Proxy {
  delayMs = 0;
  target: string;
  lost = 0;
  readonly passed = { sent: 0, received: 0, requests: 0 };
  readonly arrivals: number[] = [];
  readonly endpoint: string;
  #mode: ProxyMode = "open";
  readonly #listener: Deno.Listener<Deno.Conn>;
  #isListening = true;
  readonly #open = new Set<Deno.Conn>();
  readonly #lines = new Set<Line>();

  constructor(target: string, listener: Deno.Listener<Deno.Conn>, endpoint: string) {
    this.target = target;
    this.#listener = listener;
    this.endpoint = endpoint;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  set mode(mode: ProxyMode) {
    this.#mode = mode;
    if (mode === "closed") this.#closeAll();
  }

  async serve(): Promise<void> {
    for await (const client of this.#listener) {
      this.arrivals.push(performance.now());
      if (this.#mode === "closed") close(client);
      else void this.#join(client);
    }
  }

  get open(): number {
    return this.#lines.size;
  }

  refuse(): void {
    if (this.#isListening) this.#listener.close();
    this.#isListening = false;
  }

  forget(words: string): number {
    const lines = [...this.#lines].filter(({ request }) => request.startsWith(words));
    for (const line of lines) line.isForgotten = true;
    return lines.length;
  }

  [Symbol.dispose](): void {
    this.refuse();
    this.#closeAll();
  }

  #closeAll(): void {
    for (const end of this.#open) close(end);
  }

  async #join(client: Deno.Conn): Promise<void> {
    this.#open.add(client);
    try {
      const server = await connect(this.target);
      this.#open.add(server);
      const line = { request: "", isForgotten: false };
      this.#lines.add(line);
      const ways = [
        this.#pass(client, server, line, false),
        this.#pass(server, client, line, true),
      ];
      await Promise.all(ways);
      this.#lines.delete(line);
    } catch {
      close(client);
    }
  }

  async #pass(from: Deno.Conn, to: Deno.Conn, line: Line, isAnswer: boolean): Promise<void> {
    // Parts wait side by side, and keep their order: it takes longer, and lets as much through.
    let late: Promise<void> | undefined;
    try {
      for await (const chunk of from.readable) {
        if (isAnswer && this.mode === "lose-answers") {
          this.lost++;
          break;
        }
        if (!isAnswer) line.request = new TextDecoder().decode(chunk.subarray(0, 40));
        this.passed[isAnswer ? "received" : "sent"] += chunk.length;
        if (!isAnswer && /^(POST|GET) /.test(line.request)) this.passed.requests++;
        if (this.mode === "silent" || line.isForgotten) continue;
        if (isAnswer && (this.delayMs > 0 || late)) {
          const [due, before] = [after(this.delayMs), late];
          late = due.then(() => before).then(() => writeAll(to, chunk));
          late.catch(() => close(from));
        } else {
          await writeAll(to, chunk);
        }
      }
      await late;
    } catch {
      // One of the two went away: so does the other.
    } finally {
      for (const end of [from, to]) {
        close(end);
        this.#open.delete(end);
      }
    }
  }
}

function after(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

function close(end: Deno.Conn): void {
  try {
    end.close();
  } catch {
    // It was closed before.
  }
}
