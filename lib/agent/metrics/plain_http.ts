// A small HTTP/1.1 server for what anyone may ask: only GET and HEAD, and everything a client can hold on to has a
// limit, in number, size and time. RFC 9112.
//
// Own code: Deno.serve() limits neither connections nor the time of a request's head, and waits without end for a client
// that does not read; node:http has limits, and takes 10 MB of memory.

import { faultFrom } from "../../util/errors.ts";

/** What a request asks. */
export interface PlainRequest {
  /** Path without the query, decoded no further than the client encoded it. */
  readonly path: string;
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** What is answered. */
export interface PlainAnswer {
  readonly status: number;
  readonly text: string;
  /** @default text/plain */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Limits of one server. */
export interface HttpLimits {
  /** Connections at the same time; further ones wait until one ends. */
  readonly connections: number;
  /** Bytes of a request's head. */
  readonly headBytes: number;
  /** Time from a request's first byte to the end of its head, and for the first one of a connection. */
  readonly headMs: number;
  /** Time between two requests of a connection. */
  readonly idleMs: number;
  /** Time in which a client reads an answer. */
  readonly writeMs: number;
}

/** Limits that no scraper meets: Prometheus asks every 15 to 60 seconds, on one connection. */
export const HTTP_LIMITS: HttpLimits = {
  ...{ connections: 64, headBytes: 16_384, headMs: 5_000, idleMs: 120_000, writeMs: 10_000 },
};

/** Answers a request. Faults become 500. */
export type PlainHandler = (request: PlainRequest) => Promise<PlainAnswer> | PlainAnswer;

/** Serves connections of `listener` until that is closed, then ends them all. */
export async function servePlainHttp(
  listener: Deno.Listener<Deno.Conn>,
  handler: PlainHandler,
  limits: HttpLimits = HTTP_LIMITS,
): Promise<void> {
  const open = new Set<Client>();
  let wake = () => {};
  try {
    while (true) {
      const conn = await listener.accept();
      const client = new Client(conn, handler, { limits, onIdle: () => wake() });
      open.add(client);
      void client.serve().finally(() => {
        open.delete(client);
        wake();
      });
      while (open.size >= limits.connections) {
        // One that asks nothing makes room; others end by their limits.
        [...open].find(({ isIdle }) => isIdle)?.close();
        await new Promise<void>((done) => wake = done);
      }
    }
  } finally {
    for (const client of open) client.close();
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  404: "Not Found",
  405: "Method Not Allowed",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The head of a request, or what is wrong with it. */
type Head =
  | { readonly request: PlainRequest; readonly isHead: boolean; readonly isLast: boolean }
  | { readonly refusal: PlainAnswer };

/** One connection. */
class Client {
  readonly #conn: Deno.Conn;
  readonly #handler: PlainHandler;
  readonly #limits: HttpLimits;
  readonly #onIdle: () => void;
  #rest = new Uint8Array();
  #isClosed = false;
  /** Whether it waits for a further request. */
  isIdle = false;

  constructor(conn: Deno.Conn, handler: PlainHandler, { limits, onIdle }: {
    readonly limits: HttpLimits;
    readonly onIdle: () => void;
  }) {
    this.#conn = conn;
    this.#handler = handler;
    this.#limits = limits;
    this.#onIdle = onIdle;
  }

  /** Ends the connection, also in the middle of an answer. Repeatable. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  /** Answers its requests, one after another. Never throws. */
  async serve(): Promise<void> {
    try {
      for (let isFirst = true; await this.#serveOne(isFirst); isFirst = false);
    } catch {
      // The client is gone, or has reached a limit.
    } finally {
      this.close();
    }
  }

  /** Answers one request; reports whether there may be another. */
  async #serveOne(isFirst: boolean): Promise<boolean> {
    const text = await this.#readHead(isFirst);
    if (text === undefined) return false;
    const head = text === "" ? TOO_LARGE : parseHead(text);
    const isLast = "refusal" in head || head.isLast;
    const answer = "refusal" in head ? head.refusal : await this.#answer(head.request);
    const isHead = "request" in head && head.isHead;
    await this.#within(
      this.#limits.writeMs,
      async () => await this.#write(bytesOf(answer, { isHead, isLast })),
    );
    if (isLast) await this.#drain();
    return !isLast;
  }

  async #answer(request: PlainRequest): Promise<PlainAnswer> {
    try {
      return await this.#handler(request);
    } catch (error) {
      return { status: 500, text: `${faultFrom(error).message}\n` };
    }
  }

  /** Returns the head of the next request, empty if it is too long; undefined if the client asks no more. */
  async #readHead(isFirst: boolean): Promise<string | undefined> {
    const { headMs, idleMs, headBytes } = this.#limits;
    this.isIdle = !isFirst && this.#rest.length === 0;
    if (this.isIdle) this.#onIdle();
    if (this.isIdle && !await this.#within(idleMs, () => this.#read())) return undefined;
    this.isIdle = false;
    return await this.#within(headMs, async () => {
      while (true) {
        const end = endOfHead(this.#rest);
        if (end !== undefined && end <= headBytes) {
          const text = new TextDecoder().decode(this.#rest.subarray(0, end));
          this.#rest = this.#rest.slice(end);
          return text;
        }
        if (this.#rest.length > headBytes) return "";
        if (!await this.#read()) return undefined;
      }
    });
  }

  /** Reads a chunk; reports whether the client has sent one. */
  async #read(): Promise<boolean> {
    const chunk = new Uint8Array(2_048);
    const count = await this.#conn.read(chunk);
    if (count === null) return false;
    const joined = new Uint8Array(this.#rest.length + count);
    joined.set(this.#rest);
    joined.set(chunk.subarray(0, count), this.#rest.length);
    this.#rest = joined;
    return true;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) done += await this.#conn.write(bytes.subarray(done));
  }

  /** Reads what the client still sends, for a moment: closing at once would take the answer from it. */
  async #drain(): Promise<void> {
    const { headBytes, headMs } = this.#limits;
    await this.#conn.closeWrite();
    await this.#within(headMs / 5, async () => {
      const chunk = new Uint8Array(headBytes);
      for (let total = 0; total < 64 * headBytes;) {
        const count = await this.#conn.read(chunk);
        if (count === null) return;
        total += count;
      }
    });
  }

  /** Does `work`, which ends with an error when the time is over, as the connection is closed then. */
  async #within<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.close(), limitMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }
}

const TOO_LARGE: Head = {
  refusal: { status: 431, text: "the head of the request is too long\n" },
};

/** Returns the length of a head with its empty line; undefined if that has not come. */
function endOfHead(bytes: Uint8Array): number | undefined {
  const [CR, LF] = [13, 10];
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return undefined;
}

/** Parses the head of a request. A request with a body is answered, and its connection ends. */
export function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split(/\r?\n/);
  const [, method, target, minor] = /^([A-Za-z]+) (\S+) HTTP\/1\.([01])$/.exec(first) ?? [];
  if (method === undefined || target === undefined) return badRequest("it is not HTTP/1.1");
  if (method !== "GET" && method !== "HEAD") {
    const text = `${method.slice(0, 20)} is not allowed: this server only answers GET\n`;
    return { refusal: { status: 405, text, headers: { Allow: "GET, HEAD" } } };
  }
  const headers = new Map<string, string>();
  for (const line of lines.filter((one) => one !== "")) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return badRequest("a header is malformed");
    headers.set(name.toLowerCase(), value);
  }
  if (!URL.canParse(target, "http://host")) return badRequest("its target is malformed");
  const { pathname: path } = new URL(target, "http://host");
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  const hasBody = headers.has("transfer-encoding") ||
    (headers.get("content-length") ?? "0") !== "0";
  const isKept = minor === "1" ? !connection.includes("close") : connection.includes("keep-alive");
  return { request: { path, headers }, isHead: method === "HEAD", isLast: hasBody || !isKept };
}

function badRequest(why: string): Head {
  return { refusal: { status: 400, text: `the request was not understood: ${why}\n` } };
}

function bytesOf(
  { status, text, type = "text/plain; charset=utf-8", headers = {} }: PlainAnswer,
  { isHead, isLast }: { readonly isHead: boolean; readonly isLast: boolean },
): Uint8Array {
  const encoder = new TextEncoder();
  const body = encoder.encode(text);
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`,
    `Content-Type: ${type}`,
    `Content-Length: ${body.length}`,
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Connection: ${isLast ? "close" : "keep-alive"}`,
  ];
  const head = encoder.encode(`${lines.join("\r\n")}\r\n\r\n`);
  if (isHead) return head;
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
