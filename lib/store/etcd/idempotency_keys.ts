// Marks: what lets a client know, after an answer was lost, whether its commit was done. Each commit
// under way has a key of its own that nobody else writes, and is done only if that key is as the
// client left it, and writes it. So it is done at most once, whatever repeats it on its way; and
// writing the mark first keeps a commit that is still underway from being done for ever after.
// Marks hang on a lease, so that etcd removes those of a client that died.

import { type EtcdKeys, fromJson, revisionOf, toText, wasWrittenAt } from "./etcd_keys.ts";
import type { EtcdCluster } from "./etcd_cluster.ts";
import type { EtcdRequest, KeyValue } from "./transport.ts";

/** A mark as this client left it. */
export interface IdempotencyKey {
  readonly key: Uint8Array;
  /** Revision that wrote it last; 0 before the first. */
  revision: number;
}

const LEASE_SECONDS = 3_600;
// A lease is replaced while half of its time is left: marks outlive every call.
const LEASE_USE_MS = LEASE_SECONDS * 1_000 / 2;

/** The marks of one client; as many as it has commits under way at once. */
export class IdempotencyKeys {
  readonly #cluster: EtcdCluster;
  readonly #keys: EtcdKeys;
  readonly #client = crypto.randomUUID();
  readonly #free: IdempotencyKey[] = [];
  #made = 0;
  #lease: { readonly id: Promise<string>; readonly until: number } | undefined;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#keys = keys;
  }

  /** Runs `work` with a mark that no other commit uses. One whose state is not known is given up. */
  async use<T>(work: (mark: IdempotencyKey) => Promise<T>): Promise<T> {
    const mark = this.#free.pop() ??
      { key: this.#keys.idempotencyKey(`${this.#client}/${this.#made++}`), revision: 0 };
    const result = await work(mark);
    this.#free.push(mark);
    return result;
  }

  /** Returns the lease that marks hang on, made when there is none. Faults as Cluster.ask(). */
  async lease(): Promise<string> {
    if (!this.#lease || performance.now() > this.#lease.until) {
      this.#lease = { id: this.#grant(), until: performance.now() + LEASE_USE_MS };
    }
    try {
      return await this.#lease.id;
    } catch (error) {
      this.#lease = undefined;
      throw error;
    }
  }

  /** Lets the next commit make a new lease: etcd does not know this one. */
  forgetLease(): void {
    this.#lease = undefined;
  }

  /** Removes the marks of this client, at most within `limitMs`. Never throws: etcd will, else. */
  async remove(limitMs: number): Promise<void> {
    if (!this.#lease) return;
    try {
      const id = await this.#lease.id;
      await this.#cluster.askOnce("lease/revoke", { ID: id }, performance.now() + limitMs);
    } catch {
      // The lease runs out by itself.
    }
  }

  // Asking twice may leave a lease without marks, which runs out.
  async #grant(): Promise<string> {
    const { ID } = await this.#cluster.ask("lease/grant", { TTL: String(LEASE_SECONDS) });
    return ID ?? "";
  }
}

/** Returns the write of `mark` with `word`. */
export function writeCommitId({ key }: IdempotencyKey, word: string, lease: string): EtcdRequest {
  return { "request_put": { key, value: fromJson(word), lease } };
}

/** Returns the comparison that `mark` is as its client left it. */
export function isUnchanged({ key, revision }: IdempotencyKey): EtcdRequest {
  return wasWrittenAt(key, revision);
}

/** Returns the word in a mark; undefined where there is none. */
export function commitIdIn(pair: KeyValue | undefined): string | undefined {
  return pair && revisionOf(pair) > 0 ? JSON.parse(toText(pair.value)) : undefined;
}
