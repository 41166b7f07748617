// One unix stream to a server: chunks in, ordered writes out, one reason why it ended. Independent of the
// protocol.

import { bytes } from "./bytes.ts";
import { Fault } from "../../util/errors.ts";

/** Bytes that may be queued for a server that does not read; a full bridge's flows take some 0.5 MB. */
const BACKLOG_BYTES = 32 * 1024 * 1024;

/** Connects to the unix socket at `path`. Faults: unavailable. */
export async function openUnixStream(path: string, server: string): Promise<UnixStream> {
  try {
    return new UnixStream(await Deno.connect({ transport: "unix", path }), server);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound ||
      cause instanceof Deno.errors.ConnectionRefused;
    throw new Fault("unavailable", `${server} does not answer at ${path}`, {
      why: isMissing ? "nothing listens there" : `"${(cause as Error).message}"`,
      fix: "start Open vSwitch",
      cause,
    });
  }
}

/** An open stream. What is sent in one turn of the event loop goes out in one write. */
export class UnixStream {
  /** Resolves once, with the reason, when the stream is over. */
  readonly ended: Promise<Fault>;
  readonly #conn: Deno.Conn;
  readonly #server: string;
  #queue: Uint8Array[] = [];
  #waiting = 0;
  #isWriting = false;
  #isEnded = false;
  #settle: (why: Fault) => void = () => {};

  constructor(conn: Deno.Conn, server: string) {
    this.#conn = conn;
    this.#server = server;
    this.ended = new Promise((settle) => this.#settle = settle);
  }

  /** Passes every chunk to `take`, which must copy what it keeps, until the stream ends. */
  async read(take: (chunk: Uint8Array) => void): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      while (!this.#isEnded) {
        const count = await this.#conn.read(buffer);
        if (count === null) throw lost(this.#server, "it closed the connection");
        take(buffer.subarray(0, count));
      }
    } catch (error) {
      this.end(error instanceof Fault ? error : lost(this.#server, "the connection broke", error));
    }
  }

  /** Queues `bytes`; they go out in order, or not at all once the stream has ended. */
  send(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#waiting += bytes.length;
    if (this.#waiting > BACKLOG_BYTES) return this.end(lost(this.#server, "it stopped reading"));
    this.#queue.push(bytes);
    if (this.#isWriting) return;
    this.#isWriting = true;
    // Not in the first microtask: a barrier() that follows the messages is sent in one, and goes out with them.
    queueMicrotask(() => queueMicrotask(() => void this.#write()));
  }

  /** Ends the stream for the reason `why`. Repeatable. */
  end(why: Fault): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#queue = [];
    try {
      this.#conn.close();
    } catch {
      // Already closed by the runtime after a failed read or write.
    }
    this.#settle(why);
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const bytes = joined(this.#queue);
        this.#queue = [];
        for (let done = 0; done < bytes.length;) {
          done += await this.#conn.write(bytes.subarray(done));
        }
        this.#waiting -= bytes.length;
      }
    } catch (error) {
      this.end(lost(this.#server, "the connection broke", error));
    } finally {
      this.#isWriting = false;
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : bytes(...parts);
}

function lost(server: string, why: string, cause?: unknown): Fault {
  return new Fault("unavailable", `connection to ${server} lost`, {
    why,
    fix: "check that Open vSwitch is running",
    cause,
  });
}
