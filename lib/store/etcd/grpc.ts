// One member by gRPC, through etcd3: for logins by client certificate, which etcd's gateway does not
// accept. Of etcd3 1.1.2 only the part is used that implements etcd's messages and services for one host.
// Its connection pool is not used: it repeats a call with an expired token forever, its circuit breaker
// still refuses calls for 5 s after etcd is back, and its login drops the channel's options.

import { type CallOptions as GrpcOptions, Metadata } from "@grpc/grpc-js";
import { Host } from "etcd3/lib/connection-pool.js";
import type { TlsFiles } from "./gateway.ts";
import { LimitedTls, targetName, TLS_TIMEOUT } from "./grpc_tls.ts";
import { GRPC, proxyFor } from "../../util/http_clients.ts";
import { AsyncQueue } from "../../util/async/async_queue.ts";
import {
  type CallOptions,
  CODE,
  type EtcdRequest,
  type EtcdResponse,
  type Method,
} from "./transport.ts";
import { type Transport, TransportError, type WatchResponse } from "./transport.ts";

/** Returns the transport to the member at `endpoint` (`HOST:PORT`); a TLS handshake may take `limitMs`. */
export function grpcTransport(endpoint: string, tls: TlsFiles, limitMs: number): Transport {
  return new Grpc(endpoint, tls, limitMs);
}

// A member that is back is used again at once, not after gRPC's backoff of up to two minutes.
const GRPC_OPTIONS = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 500,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_retries": 0,
  "grpc.max_receive_message_length": -1,
};

const CALLS: Readonly<Record<Method, readonly [service: ServiceName, call: string]>> = {
  "kv/range": ["KV", "range"],
  "kv/txn": ["KV", "txn"],
  "lease/grant": ["Lease", "leaseGrant"],
  "lease/revoke": ["Lease", "leaseRevoke"],
  "auth/authenticate": ["Auth", "authenticate"],
  "maintenance/status": ["Maintenance", "status"],
  "maintenance/alarm": ["Maintenance", "alarm"],
};

const SERVICES = ["KV", "Lease", "Auth", "Watch", "Maintenance"] as const;
type ServiceName = (typeof SERVICES)[number];
type Done = (error: Error | null, response: EtcdResponse) => void;
type Call = (request: EtcdRequest, token: Metadata, options: GrpcOptions, done: Done) => void;

/** The used part of a watch's stream. */
interface Stream {
  on(event: "data", listener: (response: WatchResponse) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "end", listener: () => void): void;
  write(request: EtcdRequest): void;
  cancel(): void;
}

/** etcd's services as gRPC creates them at run time from etcd3's .proto files. */
interface Service {
  readonly [call: string]: Call;
}
interface WatchService {
  watch(token: Metadata): Stream;
}

class Grpc implements Transport {
  readonly proxy: string | undefined;
  readonly #tls: LimitedTls;
  readonly #host: Host;
  readonly #stop = new AbortController();

  constructor(endpoint: string, files: TlsFiles, limitMs: number) {
    this.#tls = new LimitedTls(files, limitMs);
    const name = targetName(endpoint.slice(0, endpoint.lastIndexOf(":")));
    const proxy = proxyFor(`https://${endpoint}`, GRPC);
    // gRPC knows proxies by HTTP only, from its own variable.
    const isProxied = proxy?.url.startsWith("http:") === true;
    if (isProxied) Deno.env.set("grpc_proxy", proxy.url);
    this.proxy = isProxied ? proxy.name : undefined;
    this.#host = new Host(endpoint, this.#tls, {
      ...{ ...GRPC_OPTIONS, ...name },
      "grpc.enable_http_proxy": isProxied ? 1 : 0,
    });
  }

  async call(method: Method, request: EtcdRequest, options: CallOptions): Promise<EtcdResponse> {
    this.#refuseClosed();
    const [name, call] = CALLS[method];
    const service = this.#host.getServiceClient(name) as unknown as Service;
    const deadline = Date.now() + options.limitMs;
    const { promise, resolve, reject } = Promise.withResolvers<EtcdResponse>();
    service[call]!(request, metadataOf(options), { deadline }, (error, response) => {
      if (error) reject(transportError(error, options.limitMs));
      else resolve(response);
    });
    return await promise;
  }

  async *watch(
    requests: readonly EtcdRequest[],
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchResponse> {
    this.#refuseClosed();
    const service = this.#host.getServiceClient("Watch") as unknown as WatchService;
    const stream = service.watch(metadataOf(options));
    const queue = new AsyncQueue<WatchResponse>();
    const timer = setTimeout(() => queue.fail(timeoutError(options.limitMs)), options.limitMs);
    const signal = AbortSignal.any([options.signal, this.#stop.signal]);
    const onAbort = () => queue.fail(new TransportError(CODE.unavailable, "was aborted"));
    signal.addEventListener("abort", onAbort);
    stream.on("data", (response) => queue.push(response));
    stream.on("error", (error) => queue.fail(transportError(error, options.limitMs)));
    stream.on("end", () => queue.fail(new TransportError(CODE.unavailable, "ended the watch")));
    for (const request of requests) stream.write({ "create_request": request });
    try {
      while (true) {
        yield await queue.next();
        clearTimeout(timer);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      stream.cancel();
    }
  }

  // Not Host.close(), which waits one more second for a connection that is being opened.
  close(): void {
    this.#stop.abort();
    for (const name of SERVICES) {
      this.#host.getServiceClient(name).close();
    }
    this.#tls.closeAll();
  }

  #refuseClosed(): void {
    if (this.#stop.signal.aborted) throw new TransportError(CODE.unavailable, "was closed", true);
  }
}

function metadataOf({ token }: CallOptions): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("token", token);
  return metadata;
}

function timeoutError(limitMs: number): TransportError {
  return new TransportError(CODE.deadlineExceeded, `did not answer in ${Math.round(limitMs)} ms`);
}

// The message begins with the number and name of the code.
function transportError(error: Error, limitMs: number): TransportError {
  const [, code, own = error.message] = /^(\d+) [A-Z_]+: (.*)$/s.exec(error.message) ?? [];
  if (Number(code) === CODE.deadlineExceeded) return timeoutError(limitMs);
  const [, last] = /^No connection established\. Last error: (.*?)(?:\. Resolution note:|$)/s
    .exec(own) ?? [];
  const isTlsTimeout = last?.includes(TLS_TIMEOUT) ?? false;
  if (isTlsTimeout) {
    return new TransportError(CODE.deadlineExceeded, "did not answer in time", true, error);
  }
  const isUnsent = last !== undefined || own.startsWith("Name resolution failed");
  const message = (last ?? own).replace(/^Error:? /, "");
  return new TransportError(
    code === undefined ? CODE.unavailable : Number(code),
    message,
    isUnsent,
    error,
  );
}
