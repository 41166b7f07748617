// How documents are stored in etcd: keys below one root, values as JSON text.

import type { Change, Entry, Json } from "../store.ts";
import type { Bytes, EtcdRequest, KeyValue } from "./transport.ts";

const encoder = new TextEncoder();
// Without ignoreBOM a first U+FEFF would be lost.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

// Compare's enumerations by number: etcd and etcd3 spell their names differently.
const RESULT_EQUAL = 0;
const TARGET_MOD = 2;

// Idempotency keys begin with a NUL, too, then a hexadecimal digit.
const WATERMARK = "\0~watermark";

/** Converts keys of documents to keys of etcd below `root`, and back. */
export class EtcdKeys {
  readonly #root: string;

  /** Works below `root`, which begins with a slash and ends without one. */
  constructor(root: string) {
    this.#root = `${root}/`;
  }

  /** Returns the bytes of `key` in etcd. */
  bytes(key: string): Uint8Array {
    return encoder.encode(this.#root + key);
  }

  /**
   * Returns the bytes of an idempotency key. No document's key contains a NUL, so it meets none, and a
   * user with write access below the root may write it.
   */
  idempotencyKey(name: string): Uint8Array {
    return this.bytes(`\0${name}`);
  }

  /** Key that is written to see when watches reach a revision; after all idempotency keys, and no document. */
  get watermark(): Uint8Array {
    return this.bytes(WATERMARK);
  }

  /** Reports whether a pair of a watch is the watermark's. */
  isWatermark(pair: KeyValue): boolean {
    return this.#text(pair) === WATERMARK;
  }

  /** Returns the range of a watch below `prefix`; if that is empty, the watermark is in it. */
  watchRange(prefix: string): { readonly key: Uint8Array; readonly "range_end": Uint8Array } {
    const range = this.range(prefix);
    return prefix === "" ? { ...range, key: this.watermark } : range;
  }

  /** Returns the range of all documents whose key starts with `prefix`; never an idempotency key. */
  range(prefix: string): { readonly key: Uint8Array; readonly "range_end": Uint8Array } {
    const start = this.bytes(prefix);
    return {
      key: prefix === "" ? this.bytes("\x01") : start,
      "range_end": nextPrefix(start),
    };
  }

  /** Returns a key-value pair of etcd as an entry. */
  entry(pair: KeyValue): Entry {
    return { key: this.#text(pair), value: toJson(pair.value), revision: revisionOf(pair) };
  }

  /** Returns an event of a watch as a change. */
  change(isDeleted: boolean, pair: KeyValue): Change {
    const value = isDeleted ? undefined : toJson(pair.value);
    return { key: this.#text(pair), value, revision: revisionOf(pair) };
  }

  #text({ key = "" }: KeyValue): string {
    return toText(key).slice(this.#root.length);
  }
}

/** Returns a document as etcd stores it. */
export function fromJson(value: Json): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Returns the revision that wrote a key, 0 where there is none. */
export function revisionOf(pair: KeyValue | undefined): number {
  return Number(pair?.["mod_revision"] ?? 0);
}

/** Returns received bytes as bytes. */
export function toBytes(bytes: Bytes): Uint8Array {
  return typeof bytes === "string" ? Uint8Array.fromBase64(bytes) : bytes;
}

const NOT_ASCII = /[\x80-\xff]/;

/** Returns received bytes as text. */
export function toText(bytes: Bytes | undefined): string {
  if (bytes === undefined) return "";
  if (typeof bytes !== "string") return decoder.decode(bytes);
  // A large store has many of these, nearly all of them ASCII: atob() alone is twice as fast.
  const text = atob(bytes);
  return NOT_ASCII.test(text) ? decoder.decode(toBytes(bytes)) : text;
}

/** Returns the next possible key after `key` in etcd's order. */
export function nextKey(key: Bytes): Uint8Array {
  const bytes = toBytes(key);
  const next = new Uint8Array(bytes.length + 1);
  next.set(bytes);
  return next;
}

/** Returns a comparison that holds while `key` was last written at `revision`; 0 means absent. */
export function wasWrittenAt(key: Uint8Array, revision: number): EtcdRequest {
  return { key, target: TARGET_MOD, result: RESULT_EQUAL, "mod_revision": String(revision) };
}

// The root ends in a slash and UTF-8 has no byte 255, so the last byte always has a next one.
function nextPrefix(start: Uint8Array): Uint8Array {
  const end = start.slice();
  end[end.length - 1]! += 1;
  return end;
}

// One value that is not JSON must not hide all others: whatever reads the document reports it.
function toJson(bytes: Bytes | undefined): Json {
  const text = toText(bytes);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
