// HTTP over Docker's unix socket: one question at a time, and one stream that stays open. Knows no
// containers. Each question has a client of its own, so that none meets a connection that the daemon
// has closed; only GETs are sent, which may be repeated.

import { piecesOf, readText } from "../../util/body.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import { messageIn } from "./responses.ts";
import { isVersionRefusal, versionPrefix } from "./api_version.ts";

/** Longest answer that is read: some 1,500 bytes a container in a list, 10 KB for one inspected. */
const ANSWER_BYTES = 16 * 1024 * 1024;

/** An answer in full. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The way to the Docker at one unix socket. */
export class DockerSocket {
  readonly #path: string;
  readonly #limitMs: number;
  #prefix: Promise<string> | undefined;

  constructor(path: string, limitMs: number) {
    this.#path = path;
    this.#limitMs = limitMs;
  }

  /** Reports whether the socket is there. Faults: unavailable, when something else is. */
  async isThere(): Promise<boolean> {
    try {
      const { isSocket } = await Deno.stat(this.#path);
      if (isSocket) return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw this.unavailable(oneLine(String(error), 60), error);
    }
    throw this.unavailable("it is no socket");
  }

  /** Gets `path`, which begins behind the version. Faults: unavailable, timeout. */
  async ask(path: string): Promise<Answer> {
    const answer = await this.#get(await this.#prefixOnce() + path);
    if (!isVersionRefusal(answer.status, answer.text)) return answer;
    // Another daemon answers than the one that was asked for its version.
    this.#prefix = undefined;
    const again = await this.#get(await this.#prefixOnce() + path);
    if (!isVersionRefusal(again.status, again.text)) return again;
    // One that knows only what is newer than this file: without a version it takes its own.
    return await this.#get(path);
  }

  /**
   * Opens a stream at `path`; its pieces end when the daemon ends it or `signal` aborts. Faults:
   * unavailable, timeout, until it begins; later any error.
   */
  async open(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    // The daemon may be another one than the last time.
    this.#prefix = undefined;
    const full = await this.#prefixOnce() + path;
    using limit = new Limit(this.#limitMs);
    const end = () => limit.abort();
    signal.addEventListener("abort", end);
    const client = this.#client();
    try {
      const response = await fetch(`http://localhost${full}`, { client, signal: limit.signal });
      if (response.status === 200 && response.body) return piecesOf(response.body, signal);
      const words = await readText(response.body, limit.signal, ANSWER_BYTES);
      throw this.unavailable(`it says "${oneLine(messageIn(words), 60)}"`);
    } catch (error) {
      throw this.#faultOf(error, limit.signal);
    } finally {
      signal.removeEventListener("abort", end);
      client.close(); // the pool, not the connection that is open
    }
  }

  /** Says why this Docker is of no use now. */
  unavailable(why: string, cause?: unknown): Fault {
    return new Fault("unavailable", `Docker at ${this.#path} cannot be asked`, {
      why,
      fix: "start dockerd or give another --docker",
      cause,
    });
  }

  async #prefixOnce(): Promise<string> {
    this.#prefix ??= this.#negotiate();
    try {
      return await this.#prefix;
    } catch (error) {
      this.#prefix = undefined; // the next one asks again
      throw error;
    }
  }

  async #negotiate(): Promise<string> {
    const { offered } = await this.#get("/_ping");
    return versionPrefix(offered);
  }

  async #get(path: string): Promise<Answer & { readonly offered: string | null }> {
    using limit = new Limit(this.#limitMs);
    using client = this.#client();
    try {
      const response = await fetch(`http://localhost${path}`, { client, signal: limit.signal });
      const offered = response.headers.get("api-version");
      return {
        status: response.status,
        text: await readText(response.body, limit.signal, ANSWER_BYTES),
        offered,
      };
    } catch (error) {
      throw this.#faultOf(error, limit.signal);
    }
  }

  #client(): Deno.HttpClient {
    return Deno.createHttpClient({ proxy: { transport: "unix", path: this.#path } });
  }

  #faultOf(error: unknown, signal: AbortSignal): Fault {
    if (error instanceof Fault) return error;
    if (!signal.aborted) return this.unavailable("nobody speaks HTTP there", error);
    return new Fault("timeout", `Docker gave no answer in ${this.#limitMs} ms`, {
      fix: `see whether the daemon at ${this.#path} is well`,
      cause: error,
    });
  }
}

/** A time limit that its block ends. */
class Limit extends AbortController implements Disposable {
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(ms: number) {
    super();
    this.#timer = setTimeout(() => this.abort(), ms);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
