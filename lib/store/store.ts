// The store's contract: JSON documents by key, commits that are all or nothing, watches that miss
// no change. sqlite/sqlite.ts and etcd/etcd_store.ts are its drivers, tests/memory has one for unit tests;
// tests/contract is the suite that each of them passes.

import { Fault, oneLine } from "../util/errors.ts";
import type { Json } from "../util/json.ts";

export type { Json };

/** A stored document with the revision of the commit that wrote it (whole number, from 1). */
export interface Entry {
  readonly key: string;
  readonly value: Json;
  readonly revision: number;
}

/** What must hold for a commit to happen: `key` last written at `revision`, or absent (0). */
export interface Check {
  readonly key: string;
  readonly revision: number;
}

/** One write of a commit: the new document, or undefined to delete (deleting nothing is fine). */
export interface Write {
  readonly key: string;
  readonly value: Json | undefined;
}

/** How a commit ended. `conflict` names the first check that did not hold; then nothing changed. */
export type CommitResult =
  | { readonly done: true; readonly revision: number }
  | { readonly done: false; readonly conflict: string };

/** A changed key as a watch reports it; `value` undefined means deleted. */
export interface Change {
  readonly key: string;
  readonly value: Json | undefined;
  readonly revision: number;
}

/**
 * What a watch yields, in the order of revisions: all changes of one or more whole commits (a commit
 * is never split between two batches), or `compacted`: the store no longer keeps the changes asked for.
 * After `compacted` the watch ends: list again and watch from the list's revision. A batch without changes
 * says that everything up to its revision was reported.
 */
export type WatchBatch =
  | { readonly kind: "changes"; readonly changes: readonly Change[]; readonly revision: number }
  | { readonly kind: "compacted"; readonly revision: number };

/** Most checks + writes of one commit (etcd's default is 128 operations). */
export const COMMIT_OPERATIONS = 100;

/** Most bytes of one commit's keys and values as UTF-8 JSON (etcd's default is 1.5 MiB a request). */
export const COMMIT_BYTES = 512 * 1024;

/** How a commit is done. */
export interface CommitOptions {
  /**
   * It need not survive a power failure until persist(), or a later commit of the same client, has been done: nobody
   * relies on it before that. A driver may save the wait for the disk.
   */
  readonly isProvisional?: boolean | undefined;
}

/** A store, whatever its driver. Every call ends or faults within the driver's time limit. */
export interface Store {
  /** Returns the document at `key`, undefined when there is none. */
  get(key: string): Promise<Entry | undefined>;
  /**
   * Returns all documents whose key starts with `prefix`, in key order, and the store's revision. A driver
   * that reads in pages passes each page to `onPage` while it waits for the next one, so that processing
   * takes no extra time. It passes pages twice if it has to read them again: only the result counts.
   */
  list(
    prefix: string,
    onPage?: (page: readonly Entry[]) => void,
  ): Promise<{ readonly entries: readonly Entry[]; readonly revision: number }>;
  /**
   * Returns how many documents there are below each of `prefixes`, each as of some moment of the call. The store walks
   * their keys (etcd 3.4: 1,000,000 in a third of a second), and transfers none of them. Faults: unavailable, timeout.
   */
  count(prefixes: readonly string[]): Promise<number[]>;
  /** Applies all `writes` if all `checks` hold. Faults: usage (limits), unavailable, timeout. */
  commit(
    checks: readonly Check[],
    writes: readonly Write[],
    options?: CommitOptions,
  ): Promise<CommitResult>;
  /** Resolves when all that this client has committed survives a power failure. Faults: unavailable, timeout. */
  persist(): Promise<void>;
  /** Yields changes below `prefix` after `revision` until `signal` aborts, which ends it without a fault. */
  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /**
   * Returns a revision that every watch of the whole store reaches without another commit, with a batch or
   * in one; until then it has reported all commits made before this call. The revision of list() may be
   * higher: in etcd, clients of other keys raise it. Faults: unavailable, timeout.
   */
  watermark(): Promise<number>;
  /** Closes the store: later calls fault. May be repeated. */
  close(): Promise<void>;
}

/** Faults (usage) if a commit exceeds the limits, writes a key twice, or has a key that is empty or not valid text. */
export function checkCommitLimits(checks: readonly Check[], writes: readonly Write[]): void {
  const operations = checks.length + writes.length;
  if (operations > COMMIT_OPERATIONS) {
    throw new Fault("usage", `commit of ${operations} operations refused`, {
      why: `${COMMIT_OPERATIONS} are allowed`,
    });
  }
  for (const { key } of [...checks, ...writes]) {
    // Drivers would replace such characters, and the key would name another document.
    if (key.isWellFormed() && !key.includes("\0")) continue;
    throw new Fault("usage", `commit names key "${oneLine(key, 60)}", which is not valid text`, {
      why: "it contains a NUL or half a surrogate pair",
    });
  }
  let bytes = 0;
  const encoder = new TextEncoder();
  const keys = new Set<string>();
  for (const { key, value } of writes) {
    if (key === "" || keys.has(key)) {
      throw new Fault("usage", `commit writes key "${key}" twice or without a name`);
    }
    keys.add(key);
    bytes += encoder.encode(key).length;
    if (value !== undefined) bytes += encoder.encode(JSON.stringify(value)).length;
  }
  if (bytes > COMMIT_BYTES) {
    throw new Fault("usage", `commit of ${bytes} bytes refused`, {
      why: `${COMMIT_BYTES} are allowed`,
    });
  }
}
