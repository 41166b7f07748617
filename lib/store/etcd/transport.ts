// The transport to one etcd member: the messages of etcd's API v3 that are used here, and how a call can
// fail. gateway.ts and grpc.ts are the two transports.

/** Bytes as received: base64 text from the gateway, bytes from gRPC. */
export type Bytes = string | Uint8Array;

/** Header of each response; 64-bit numbers are decimal text. */
export interface Header {
  readonly "cluster_id"?: string;
  readonly revision?: string;
}

/** One key with its value; absent fields mean zero or empty. */
export interface KeyValue {
  readonly key?: Bytes;
  readonly value?: Bytes;
  readonly "mod_revision"?: string;
}

/** Any response; which fields are present depends on the request. */
export interface EtcdResponse {
  readonly header?: Header | null;
  readonly kvs?: readonly KeyValue[];
  readonly more?: boolean;
  /** How many keys are in the range, in decimal. */
  readonly count?: string;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly "response_range"?: EtcdResponse | null }[];
  /** Lease. */
  readonly ID?: string;
  readonly token?: string;
  readonly version?: string;
  /** Bytes. */
  readonly dbSize?: string;
  /** Id of the member that leads; absent or 0 while none does. */
  readonly leader?: string;
  readonly alarms?: readonly { readonly memberID?: string; readonly alarm?: string | number }[];
}

/** Any request: fields as in etcd's rpc.proto, keys and values as bytes. */
export type EtcdRequest = { readonly [field: string]: unknown };

/** One message of a watch. */
export interface WatchResponse {
  readonly header?: Header | null;
  /** Which watch of the stream it is about, in decimal; 0 may be left out. */
  readonly "watch_id"?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly "compact_revision"?: string;
  readonly "cancel_reason"?: string;
  /** The next message continues this one. */
  readonly fragment?: boolean;
  readonly events?: readonly {
    /** `DELETE` or `Delete`; anything else is a put. */
    readonly type?: string;
    readonly kv?: KeyValue | null;
  }[];
}

/** The calls used here, named as the gateway's paths. */
export type Method =
  | "kv/range"
  | "kv/txn"
  | "lease/grant"
  | "lease/revoke"
  | "auth/authenticate"
  | "maintenance/status"
  | "maintenance/alarm";

/** Options of a call. */
export interface CallOptions {
  readonly token: string | undefined;
  readonly limitMs: number;
}

/** A transport to one member. Throws TransportError only. */
export interface Transport {
  /** Proxy by which the member is asked, for messages; absent for none. */
  readonly proxy?: string | undefined;
  call(method: Method, request: EtcdRequest, options: CallOptions): Promise<EtcdResponse>;
  /** Returns the messages of watches on one stream until `signal` aborts; the first must come within `limitMs`. */
  watch(
    requests: readonly EtcdRequest[],
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchResponse>;
  /** Ends all calls and closes all connections. */
  close(): void;
}

/** gRPC's codes, as far as they are distinguished: https://grpc.io/docs/guides/status-codes/ */
export const CODE = {
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  outOfRange: 11,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

// gRPC reports connections that broke during a call as canceled or internal.
const TRANSIENT: readonly number[] = [
  CODE.unavailable,
  CODE.deadlineExceeded,
  CODE.canceled,
  CODE.internal,
];
// Messages of a stopping or busy server, which have no code of their own in etcd 3.4.
const TRANSIENT_MESSAGES = /raft: stopped|server stopped|context canceled|too many requests/;

/** Why one call to one member failed. */
export class TransportError extends Error {
  readonly code: number;
  /** No byte of the request has reached etcd: nothing can have been done. */
  readonly isUnsent: boolean;

  constructor(code: number, message: string, isUnsent = false, cause?: unknown) {
    super(message, { cause });
    this.name = "TransportError";
    this.code = code;
    this.isUnsent = isUnsent;
  }

  /** Another member, or the same one later, may succeed. */
  get isTransient(): boolean {
    return TRANSIENT.includes(this.code) || TRANSIENT_MESSAGES.test(this.message);
  }

  /** The token is no longer known, as after a restart: log in again. Nothing was done. */
  get needsLogin(): boolean {
    return this.code === CODE.unauthenticated ||
      /user name is empty|revision of auth store is old|invalid auth token/.test(this.message);
  }

  /** It may or may not have been done. */
  get isOutcomeUnknown(): boolean {
    return this.isTransient && !this.isUnsent && !/too many requests/.test(this.message);
  }

  /** The response was too long for this transport. */
  get isTooLong(): boolean {
    return this.code === CODE.resourceExhausted && /larger than max/.test(this.message);
  }
}
