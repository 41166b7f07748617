// One member by etcd's JSON gateway (https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/): base64
// for bytes, text for 64-bit numbers, zero and empty fields are omitted, one message a line.

import { unlessAborted } from "../../util/async/unless_aborted.ts";
import { piecesOf, readText } from "../../util/body.ts";
import { createClient, type Proxy, proxyFor } from "../../util/http_clients.ts";
import {
  type CallOptions,
  CODE,
  type EtcdRequest,
  type EtcdResponse,
  type Method,
  type Transport,
} from "./transport.ts";
import { TransportError, type WatchResponse } from "./transport.ts";

// Deno leaves idle connections open (19 of 20 after two minutes): without a limit, each agent would keep one for each call
// of its busiest moment. Among 5,000 hosts an agent with 250 pods kept 13.
const MOST_IDLE = 16;

/** What a TLS connection to a member needs, as PEM texts. */
export interface TlsFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

interface GatewayError {
  readonly message?: string;
  readonly error?: string;
  readonly code?: number;
  readonly "grpc_code"?: number;
}

/** Returns the transport to the member at `endpoint` (`HOST:PORT`); `tls` undefined is plain HTTP. */
export function gatewayTransport(endpoint: string, tls: TlsFiles | undefined): Transport {
  return new Gateway(`${tls ? "https" : "http"}://${endpoint}/v3/`, tls);
}

class Gateway implements Transport {
  readonly #base: string;
  readonly #tls: TlsFiles | undefined;
  #proxy: Proxy | undefined;
  #client: Deno.HttpClient;
  readonly #stop = new AbortController();

  constructor(base: string, tls: TlsFiles | undefined) {
    this.#base = base;
    this.#tls = tls;
    this.#proxy = proxyFor(base);
    this.#client = this.#createClient();
  }

  get proxy(): string | undefined {
    return this.#proxy?.name;
  }

  #createClient(): Deno.HttpClient {
    return createClient(this.#proxy, {
      ...this.#tls?.ca === undefined ? {} : { caCerts: [this.#tls.ca] },
      // One connection for each call in progress: a long answer delays no other.
      http2: false,
      poolMaxIdlePerHost: MOST_IDLE,
    });
  }

  /** After a failure: the member's address may belong to this host since, or no longer. */
  #followProxy(): void {
    const proxy = proxyFor(this.#base);
    if (proxy?.url === this.#proxy?.url || this.#stop.signal.aborted) return;
    this.#client.close();
    this.#proxy = proxy;
    this.#client = this.#createClient();
  }

  async call(method: Method, request: EtcdRequest, options: CallOptions): Promise<EtcdResponse> {
    const limit = AbortSignal.timeout(options.limitMs);
    const signal = AbortSignal.any([limit, this.#stop.signal]);
    try {
      const response = await this.#post(method, [request], options.token, signal);
      const text = await readText(response.body, signal);
      if (!response.ok) throw errorOf(text, response.status, this.proxy);
      return JSON.parse(text);
    } catch (error) {
      throw this.#transportError(error, limit, options.limitMs);
    }
  }

  async *watch(
    requests: readonly EtcdRequest[],
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchResponse> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), options.limitMs);
    const signal = AbortSignal.any([limit.signal, options.signal, this.#stop.signal]);
    try {
      const creations = requests.map((request) => ({ "create_request": request }));
      const response = await this.#post("watch", creations, options.token, signal);
      if (!response.ok || !response.body) {
        throw errorOf(await readText(response.body, signal), response.status, this.proxy);
      }
      for await (const line of lines(response.body, signal)) {
        clearTimeout(timer);
        yield watchResponse(line);
      }
      throw new TransportError(CODE.unavailable, "ended the watch");
    } catch (error) {
      throw this.#transportError(error, limit.signal, options.limitMs);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#stop.abort();
    this.#client.close();
  }

  /** Sends one or more messages, as the call takes them. */
  #post(
    path: string,
    requests: readonly EtcdRequest[],
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const text = requests.map((one) => JSON.stringify(one, bytesAsBase64)).join("\n");
    // Deno 2.9.6 silently repeats a request with a text body if a reused connection closes without an
    // answer, and then reports only the second try: a transaction that was applied would look as if it
    // had never been sent. A Blob is sent once.
    const answer = fetch(this.#base + path, {
      method: "POST",
      body: path === "kv/txn" ? new Blob([text]) : text,
      headers: token === undefined ? {} : { authorization: token },
      client: this.#client,
      redirect: "error",
      signal,
    });
    return unlessAborted(answer, signal);
  }

  #transportError(error: unknown, limit: AbortSignal, limitMs: number): TransportError {
    this.#followProxy();
    if (error instanceof TransportError) return error;
    if (limit.aborted) {
      return new TransportError(
        CODE.deadlineExceeded,
        `did not answer in ${Math.round(limitMs)} ms`,
        false,
        error,
      );
    }
    if (error instanceof SyntaxError) {
      return new TransportError(CODE.unknown, "answered with invalid JSON", false, error);
    }
    return transportError(error);
  }
}

function bytesAsBase64(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.toBase64() : value;
}

// Deno 2.9.6 says what happened in the error's cause. If no connection was made it names the step
// Connect; a fatal alert is a server's rejection of our certificate, before it reads anything.
const UNSENT = /client error \(Connect\)|dns error|received fatal alert|are blocked/;

function transportError(error: unknown): TransportError {
  const { cause = error } = error instanceof Error ? error : {};
  const text = cause instanceof Error ? cause.message : String(cause);
  const own = text.replace(/^error sending request .*?: client error \(\w+\): /, "");
  // A server without TLS either closes the connection or resets it, depending on timing.
  const isHandshake = /\(Connect\): (?!tcp connect).*(reset|closed|broken pipe)/i.test(text);
  const message = isHandshake ? `tls handshake: ${own}` : own;
  return new TransportError(CODE.unavailable, message, UNSENT.test(text), error);
}

function errorOf(text: string, status: number, proxy: string | undefined): TransportError {
  try {
    return gatewayError(JSON.parse(text));
  } catch {
    // Not etcd: a proxy, or another server. A proxy answers so for a member that it does not reach.
    const isDown = proxy !== undefined && [502, 503, 504].includes(status);
    return new TransportError(
      isDown ? CODE.unavailable : CODE.unknown,
      proxy === undefined
        ? `answered with HTTP status ${status}, not as etcd does`
        : `HTTP status ${status} by proxy`,
    );
  }
}

function gatewayError(
  { message, error, code, "grpc_code": grpcCode }: GatewayError,
): TransportError {
  return new TransportError(
    grpcCode ?? code ?? CODE.unknown,
    message ?? error ?? "no reason reported",
  );
}

function watchResponse(line: string): WatchResponse {
  const { result, error } = JSON.parse(line);
  if (error) throw gatewayError(error);
  return result ?? {};
}

async function* lines(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  for await (const piece of piecesOf(body, signal)) {
    const [first = "", ...rest] = decoder.decode(piece, { stream: true }).split("\n");
    parts.push(first);
    for (const next of rest) {
      const line = parts.join("");
      if (line !== "") yield line;
      parts = [next];
    }
  }
}
