// Asks the agent one question over its unix socket. HTTP/1.1 by hand on a plain connection: on the
// exec face `fetch` over a unix socket costs half an empty script's start-up more.
// Imports nothing but util.

import { Fault, type FaultCode } from "../util/errors.ts";

/** One question. */
export interface Question {
  readonly socket: string;
  readonly method?: "GET" | "POST";
  /** Path below the socket, e.g. `/v1/setup`. */
  readonly path: string;
  readonly body?: unknown;
  /** @default 60000 */
  readonly limitMs?: number;
}

/** Returns the agent's answer. Faults: as the agent says; unavailable, timeout when it says nothing. */
export async function askAgent<T>(question: Question): Promise<T> {
  const { socket, limitMs = 60_000 } = question;
  using connection = await connect(socket);
  let late = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await writeAll(connection.conn, requestBytes(question));
    const response = readResponse(connection.conn);
    const early = await Promise.race([response, moment()]);
    if (early) return readAnswer<T>(early);
    timer = setTimeout(() => {
      late = true;
      connection.close();
    }, limitMs);
    return readAnswer<T>(await response);
  } catch (cause) {
    if (late) {
      throw new Fault("timeout", `agent at ${socket} gave no answer in ${limitMs} ms`, {
        fix: "see its log, and whether Open vSwitch is running",
        cause,
      });
    }
    if (cause instanceof Fault) throw cause;
    throw new Fault("unavailable", `agent at ${socket} went away before it answered`, {
      fix: "see its log",
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Passes half a millisecond or so. The first timer of a process takes Deno 2.9.6 4 ms, a fifth of an
 * empty script: it is only set where the answer is not there at once, beside the agent's work.
 */
async function moment(): Promise<undefined> {
  for (let looks = 0; looks < 4; looks++) await Deno.lstat("/");
  return undefined;
}

interface Connection extends Disposable {
  readonly conn: Deno.Conn;
  close(): void;
}

async function connect(path: string): Promise<Connection> {
  let open = true;
  const conn = await Deno.connect({ transport: "unix", path }).catch((cause) => {
    throw new Fault("unavailable", `agent at ${path} is not there`, {
      why: unreachable(cause),
      fix: 'start "k8contivnet netplugin", or name its socket in K8CONTIVNET_SOCKET',
      cause,
    });
  });
  const close = () => {
    if (open) conn.close();
    open = false;
  };
  return { conn, close, [Symbol.dispose]: close };
}

function unreachable(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "no such socket";
  if (cause instanceof Deno.errors.PermissionDenied) return "no permission; root is needed";
  if (cause instanceof Deno.errors.ConnectionRefused) return "nobody listens";
  return "the connection was refused";
}

function requestBytes({ method = "POST", path, body }: Question): Uint8Array {
  const encoder = new TextEncoder();
  const json = encoder.encode(body === undefined ? "" : JSON.stringify(body));
  const head = encoder.encode(
    `${method} ${path} HTTP/1.1\r\nHost: k8contivnet\r\nConnection: close\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n`,
  );
  const bytes = new Uint8Array(head.length + json.length);
  bytes.set(head);
  bytes.set(json, head.length);
  return bytes;
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(bytes.subarray(done));
}

interface Response {
  readonly status: number;
  readonly body: string;
}

async function readResponse(conn: Deno.Conn): Promise<Response> {
  let got: Uint8Array = new Uint8Array(0);
  const chunk = new Uint8Array(16_384);
  for (;;) {
    const response = parseResponse(got);
    if (response) return response;
    const n = await conn.read(chunk);
    if (n === null) throw new Deno.errors.UnexpectedEof("the answer was cut off");
    const longer = new Uint8Array(got.length + n);
    longer.set(got);
    longer.set(chunk.subarray(0, n), got.length);
    got = longer;
  }
}

/** Reads a whole response with a Content-Length; undefined while some of it is missing. */
export function parseResponse(bytes: Uint8Array): Response | undefined {
  const end = headEnd(bytes);
  if (end < 0) return undefined;
  const head = new TextDecoder().decode(bytes.subarray(0, end));
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < end + 4 + length) return undefined;
  return { status, body: new TextDecoder().decode(bytes.subarray(end + 4, end + 4 + length)) };
}

function headEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(13); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return -1;
}

function readAnswer<T>({ status, body }: Response): T {
  const value = JSON.parse(body === "" ? "null" : body);
  if (status >= 200 && status < 300) return value;
  const { code, what, why, fix } = value as Record<string, string | undefined>;
  throw new Fault((code ?? "failed") as FaultCode, what ?? `agent answered ${status}`, {
    why,
    fix,
  });
}
