// Sends one request to the agent over its unix socket. HTTP/1.1 written by hand on a plain connection: on
// the exec face, `fetch` over a unix socket costs half the start-up of an empty script more.
// Imports only util.

import { shortPause } from "../util/async/short_pause.ts";
import { Fault, type FaultCode } from "../util/errors.ts";
import { parseSocketPath } from "../util/socket_path.ts";

/** One request. */
export interface AgentRequest {
  readonly socket: string;
  readonly method?: "GET" | "POST";
  /** Path below the socket, e.g. `/v1/setup`. */
  readonly path: string;
  readonly body?: unknown;
  /** @default 60000 */
  readonly limitMs?: number;
}

/** Returns the agent's answer. Faults: those of the agent; unavailable or timeout if it does not answer; usage if the socket's path is too long. */
export async function askAgent<T>(request: AgentRequest): Promise<T> {
  const { socket, limitMs = 60_000 } = request;
  using connection = await connect(socket);
  let late = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await writeAll(connection.conn, requestBytes(request));
    const response = readResponse(connection.conn);
    const early = await Promise.race([response, shortPause()]);
    if (early) return readAnswer<T>(early);
    timer = setTimeout(() => {
      late = true;
      connection.close();
    }, limitMs);
    return readAnswer<T>(await response);
  } catch (cause) {
    if (late) {
      throw new Fault("timeout", `agent at ${socket} did not answer in ${limitMs} ms`, {
        fix: "check its log, and whether Open vSwitch is running",
        cause,
      });
    }
    if (cause instanceof Fault) throw cause;
    throw new Fault("unavailable", `agent at ${socket} closed the connection before it answered`, {
      fix: "check its log",
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

interface Connection extends Disposable {
  readonly conn: Deno.Conn;
  close(): void;
}

async function connect(path: string): Promise<Connection> {
  parseSocketPath("socket", path);
  let open = true;
  const conn = await Deno.connect({ transport: "unix", path }).catch((cause) => {
    throw new Fault("unavailable", `agent at ${path} is unreachable`, {
      why: whyUnreachable(cause),
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

function whyUnreachable(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "no such socket";
  if (cause instanceof Deno.errors.PermissionDenied) return "no permission; root is needed";
  if (cause instanceof Deno.errors.ConnectionRefused) return "nothing listens there";
  return "the connection was refused";
}

function requestBytes({ method = "POST", path, body }: AgentRequest): Uint8Array {
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
    if (n === null) throw new Deno.errors.UnexpectedEof("the answer is incomplete");
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
