// One member by gRPC, through etcd3: the way for logins by client certificate, which etcd's gateway
// does not take. Of etcd3 1.1.2 this uses what knows etcd's messages and services, per host. Its
// pool above that is not used: it repeats a call with a forgotten token for ever, its breaker goes on
// refusing for 5 s after etcd is back, and its login drops the channel's options.

import { type CallOptions as GrpcOptions, Metadata } from "@grpc/grpc-js";
import { Host } from "etcd3/lib/connection-pool.js";
import type { TlsFiles } from "./gateway.ts";
import { LimitedTls, targetName, TLS_TIMEOUT } from "./grpc_tls.ts";
import { AsyncQueue } from "../../util/async/async_queue.ts";
import {
  type CallOptions,
  CODE,
  type EtcdRequest,
  type EtcdResponse,
  type Method,
} from "./transport.ts";
import { type Transport, TransportError, type WatchResponse } from "./transport.ts";

/** Returns the way to the member at `endpoint` (`HOST:PORT`); a TLS handshake may take `limitMs`. */
export function grpcTransport(endpoint: string, tls: TlsFiles, limitMs: number): Transport {
  return new Grpc(endpoint, tls, limitMs);
}

// A member that is back is asked again at once, not after gRPC's backoff of up to two minutes.
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
};

type ServiceName = "KV" | "Lease" | "Auth" | "Watch";
type Done = (error: Error | null, answer: EtcdResponse) => void;
type Call = (question: EtcdRequest, token: Metadata, options: GrpcOptions, done: Done) => void;

/** A watch's stream, as far as it is used. */
interface Stream {
  on(event: "data", told: (answer: WatchResponse) => void): void;
  on(event: "error", told: (error: Error) => void): void;
  on(event: "end", told: () => void): void;
  write(question: EtcdRequest): void;
  cancel(): void;
}

/** etcd's services as gRPC makes them at run time from etcd3's .proto files. */
interface Service {
  readonly [call: string]: Call;
}
interface WatchService {
  watch(token: Metadata): Stream;
}

class Grpc implements Transport {
  readonly #tls: LimitedTls;
  readonly #host: Host;
  readonly #stop = new AbortController();

  constructor(endpoint: string, files: TlsFiles, limitMs: number) {
    this.#tls = new LimitedTls(files, limitMs);
    const name = targetName(endpoint.slice(0, endpoint.lastIndexOf(":")));
    this.#host = new Host(endpoint, this.#tls, { ...GRPC_OPTIONS, ...name });
  }

  async call(method: Method, question: EtcdRequest, options: CallOptions): Promise<EtcdResponse> {
    this.#refuseClosed();
    const [name, call] = CALLS[method];
    const service = this.#host.getServiceClient(name) as unknown as Service;
    const deadline = Date.now() + options.limitMs;
    const { promise, resolve, reject } = Promise.withResolvers<EtcdResponse>();
    service[call]!(question, metadataOf(options), { deadline }, (error, answer) => {
      if (error) reject(transportError(error, options.limitMs));
      else resolve(answer);
    });
    return await promise;
  }

  async *watch(
    question: EtcdRequest,
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchResponse> {
    this.#refuseClosed();
    const service = this.#host.getServiceClient("Watch") as unknown as WatchService;
    const stream = service.watch(metadataOf(options));
    const queue = new AsyncQueue<WatchResponse>();
    const timer = setTimeout(() => queue.fail(late(options.limitMs)), options.limitMs);
    const signal = AbortSignal.any([options.signal, this.#stop.signal]);
    const onAbort = () => queue.fail(new TransportError(CODE.unavailable, "was left"));
    signal.addEventListener("abort", onAbort);
    stream.on("data", (answer) => queue.push(answer));
    stream.on("error", (error) => queue.fail(transportError(error, options.limitMs)));
    stream.on("end", () => queue.fail(new TransportError(CODE.unavailable, "ended the watch")));
    stream.write({ "create_request": question });
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

  // Not by Host.close(), which gives a connection that is under way one second more.
  close(): void {
    this.#stop.abort();
    for (const name of ["KV", "Lease", "Auth", "Watch"] as const) {
      this.#host.getServiceClient(name).close();
    }
    this.#tls.endAll();
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

function late(limitMs: number): TransportError {
  return new TransportError(CODE.deadlineExceeded, `gave no answer in ${Math.round(limitMs)} ms`);
}

// The message begins with the code's number and name.
function transportError(error: Error, limitMs: number): TransportError {
  const [, code, own = error.message] = /^(\d+) [A-Z_]+: (.*)$/s.exec(error.message) ?? [];
  if (Number(code) === CODE.deadlineExceeded) return late(limitMs);
  const [, last] = /^No connection established\. Last error: (.*?)(?:\. Resolution note:|$)/s
    .exec(own) ?? [];
  const isTlsLate = last?.includes(TLS_TIMEOUT) ?? false;
  if (isTlsLate) {
    return new TransportError(CODE.deadlineExceeded, "gave no answer in time", true, error);
  }
  const isUnsent = last !== undefined || own.startsWith("Name resolution failed");
  const words = (last ?? own).replace(/^Error:? /, "");
  return new TransportError(
    code === undefined ? CODE.unavailable : Number(code),
    words,
    isUnsent,
    error,
  );
}
