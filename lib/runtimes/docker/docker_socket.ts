// HTTP over Docker's unix socket: single requests, and one stream that stays open. Knows nothing of containers. Each
// request has a client of its own, so that none uses a connection that the daemon has closed; only GETs are sent,
// which may be repeated.

import { piecesOf, readText } from "../../util/body.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import { createUnixClient } from "../../util/http_clients.ts";
import { errorMessageOf } from "./responses.ts";
import { isVersionRefusal, versionPrefix } from "./api_version.ts";

/** Longest response that is read: some 1,500 bytes per container in a list, 10 KB for one inspected. */
const RESPONSE_BYTES = 16 * 1024 * 1024;

/** A complete response. */
export interface DockerResponse {
  readonly status: number;
  readonly text: string;
}

/** A client of the Docker at one unix socket. */
export class DockerSocket {
  readonly #path: string;
  readonly #limitMs: number;
  #prefix: Promise<string> | undefined;

  constructor(path: string, limitMs: number) {
    this.#path = path;
    this.#limitMs = limitMs;
  }

  /** Reports whether the socket exists. Faults: unavailable, if the path is something else. */
  async exists(): Promise<boolean> {
    try {
      const { isSocket } = await Deno.stat(this.#path);
      if (isSocket) return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw this.unavailable(oneLine(String(error), 60), error);
    }
    throw this.unavailable("it is not a socket");
  }

  /** Sends a GET of `path`, which begins after the version. Faults: unavailable, timeout. */
  async get(path: string): Promise<DockerResponse> {
    const response = await this.#get(await this.#prefixOnce() + path);
    if (!isVersionRefusal(response.status, response.text)) return response;
    // The daemon was replaced after it was asked for its version.
    this.#prefix = undefined;
    const again = await this.#get(await this.#prefixOnce() + path);
    if (!isVersionRefusal(again.status, again.text)) return again;
    // It supports only versions newer than this file knows: without a version it uses its own.
    return await this.#get(path);
  }

  /**
   * Opens a stream at `path`; its pieces end when the daemon ends it or `signal` aborts. Faults: unavailable,
   * timeout, until it begins; later any error.
   */
  async openStream(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    // The daemon may have been replaced since the last time.
    this.#prefix = undefined;
    const full = await this.#prefixOnce() + path;
    using limit = new Limit(this.#limitMs);
    const end = () => limit.abort();
    signal.addEventListener("abort", end);
    const client = this.#client();
    try {
      const response = await fetch(`http://localhost${full}`, { client, signal: limit.signal });
      if (response.status === 200 && response.body) return piecesOf(response.body, signal);
      const body = await readText(response.body, limit.signal, RESPONSE_BYTES);
      throw this.unavailable(`it responded "${oneLine(errorMessageOf(body), 60)}"`);
    } catch (error) {
      throw this.#faultOf(error, limit.signal);
    } finally {
      signal.removeEventListener("abort", end);
      client.close(); // the pool, not the connection that is open
    }
  }

  /** Returns the Fault of a Docker that cannot be used now. */
  unavailable(why: string, cause?: unknown): Fault {
    return new Fault("unavailable", `Docker at ${this.#path} is unavailable`, {
      why,
      fix: "start dockerd, or set another --docker",
      cause,
    });
  }

  async #prefixOnce(): Promise<string> {
    this.#prefix ??= this.#negotiate();
    try {
      return await this.#prefix;
    } catch (error) {
      this.#prefix = undefined; // the next request asks again
      throw error;
    }
  }

  async #negotiate(): Promise<string> {
    const { offered } = await this.#get("/_ping");
    return versionPrefix(offered);
  }

  async #get(path: string): Promise<DockerResponse & { readonly offered: string | null }> {
    using limit = new Limit(this.#limitMs);
    using client = this.#client();
    try {
      const response = await fetch(`http://localhost${path}`, { client, signal: limit.signal });
      const offered = response.headers.get("api-version");
      return {
        status: response.status,
        text: await readText(response.body, limit.signal, RESPONSE_BYTES),
        offered,
      };
    } catch (error) {
      throw this.#faultOf(error, limit.signal);
    }
  }

  #client(): Deno.HttpClient {
    return createUnixClient(this.#path);
  }

  #faultOf(error: unknown, signal: AbortSignal): Fault {
    if (error instanceof Fault) return error;
    if (!signal.aborted) return this.unavailable("it does not speak HTTP", error);
    return new Fault("timeout", `Docker did not answer within ${this.#limitMs} ms`, {
      fix: `check the daemon at ${this.#path}`,
      cause: error,
    });
  }
}

/** A time limit that ends with its block. */
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
