// What is said to one etcd member, whichever way: the messages of etcd's API v3 as far as they are
// used here, and what can go wrong underway. gateway.ts and grpc.ts are the two ways.

/** Bytes as they come in: text in base64 from the gateway, bytes from gRPC. */
export type Bytes = string | Uint8Array;

/** Heads each answer; 64-bit numbers are decimal text. */
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

/** Any answer; which fields are there depends on what was asked. */
export interface EtcdResponse {
  readonly header?: Header | null;
  readonly kvs?: readonly KeyValue[];
  readonly more?: boolean;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly "response_range"?: EtcdResponse | null }[];
  /** Lease. */
  readonly ID?: string;
  readonly token?: string;
}

/** Anything asked: fields as in etcd's rpc.proto, keys and values as bytes. */
export type EtcdRequest = { readonly [field: string]: unknown };

/** One message of a watch. */
export interface WatchResponse {
  readonly header?: Header | null;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly "compact_revision"?: string;
  readonly "cancel_reason"?: string;
  /** More of the same is to come in the next message. */
  readonly fragment?: boolean;
  readonly events?: readonly {
    /** `DELETE` or `Delete`; anything else is a put. */
    readonly type?: string;
    readonly kv?: KeyValue | null;
  }[];
}

/** Calls used here; the names are those of the gateway's paths. */
export type Method =
  | "kv/range"
  | "kv/txn"
  | "lease/grant"
  | "lease/revoke"
  | "auth/authenticate";

/** What goes with a call. */
export interface CallOptions {
  readonly token: string | undefined;
  readonly limitMs: number;
}

/** One way to one member. Throws TransportError only. */
export interface Transport {
  call(method: Method, question: EtcdRequest, options: CallOptions): Promise<EtcdResponse>;
  /** Returns the watch's messages until `signal` aborts; the first must come within `limitMs`. */
  watch(
    question: EtcdRequest,
    options: CallOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchResponse>;
  /** Ends all calls and connections. */
  close(): void;
}

/** gRPC's codes, as far as they are told apart: https://grpc.io/docs/guides/status-codes/ */
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

// With canceled and internal, gRPC tells of connections that broke in use.
const PASSING: readonly number[] = [
  CODE.unavailable,
  CODE.deadlineExceeded,
  CODE.canceled,
  CODE.internal,
];
// What a stopping or busy server says. It has no code of its own in etcd 3.4.
const PASSING_WORDS = /raft: stopped|server stopped|context canceled|too many requests/;

/** What went wrong with one call to one member. */
export class TransportError extends Error {
  readonly code: number;
  /** No byte of the question has reached etcd: nothing can have happened. */
  readonly isUnsent: boolean;

  constructor(code: number, words: string, isUnsent = false, cause?: unknown) {
    super(words, { cause });
    this.name = "TransportError";
    this.code = code;
    this.isUnsent = isUnsent;
  }

  /** Another member, or the same one later, may do what was asked. */
  get isTransient(): boolean {
    return PASSING.includes(this.code) || PASSING_WORDS.test(this.message);
  }

  /** The login is no longer known, as after a restart: log in again. etcd refused without a look. */
  get needsLogin(): boolean {
    return this.code === CODE.unauthenticated ||
      /user name is empty|revision of auth store is old|invalid auth token/.test(this.message);
  }

  /** It may have happened or not. */
  get isOutcomeUnknown(): boolean {
    return this.isTransient && !this.isUnsent && !/too many requests/.test(this.message);
  }

  /** The answer was too long for the way it takes. */
  get isTooLong(): boolean {
    return this.code === CODE.resourceExhausted && /larger than max/.test(this.message);
  }
}
