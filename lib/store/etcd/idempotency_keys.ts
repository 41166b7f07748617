// Idempotency keys: how a client knows, after an answer was lost, whether its commit was applied. Each
// commit in progress has a key of its own that nothing else writes. It is applied only if that key is
// unchanged, and then writes it: so it is applied at most once, whatever repeats it on its way. Writing
// the key first prevents a commit that is still on its way from ever being applied. The keys have a
// lease, so that etcd removes those of a client that died.

import { type EtcdKeys, fromJson, revisionOf, toText, wasWrittenAt } from "./etcd_keys.ts";
import type { EtcdCluster } from "./etcd_cluster.ts";
import type { EtcdRequest, KeyValue } from "./transport.ts";

/** An idempotency key and this client's last write to it. */
export interface IdempotencyKey {
  readonly key: Uint8Array;
  /** Revision that wrote it last; 0 before the first. */
  revision: number;
}

const LEASE_SECONDS = 3_600;
// A lease is replaced while half of its time is left, so that the keys outlive every call.
const LEASE_USE_MS = LEASE_SECONDS * 1_000 / 2;

/** The idempotency keys of one client, as many as it has commits in progress at once. */
export class IdempotencyKeys {
  readonly #cluster: EtcdCluster;
  readonly #keys: EtcdKeys;
  readonly #client = crypto.randomUUID();
  readonly #free: IdempotencyKey[] = [];
  #created = 0;
  #lease: { readonly id: Promise<string>; readonly until: number } | undefined;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#keys = keys;
  }

  /** Runs `work` with a key that no other commit uses. A key of unknown state is not used again. */
  async use<T>(work: (key: IdempotencyKey) => Promise<T>): Promise<T> {
    const key = this.#free.pop() ??
      { key: this.#keys.idempotencyKey(`${this.#client}/${this.#created++}`), revision: 0 };
    const result = await work(key);
    this.#free.push(key);
    return result;
  }

  /** Returns the lease of the keys, granted when there is none. Faults as EtcdCluster.ask(). */
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

  /** Makes the next commit request a new lease: etcd does not know this one. */
  forgetLease(): void {
    this.#lease = undefined;
  }

  /** Removes the keys of this client within `limitMs`. Never throws: otherwise the lease removes them. */
  async remove(limitMs: number): Promise<void> {
    if (!this.#lease) return;
    try {
      const id = await this.#lease.id;
      await this.#cluster.askOnce("lease/revoke", { ID: id }, performance.now() + limitMs);
    } catch {
      // The lease expires by itself.
    }
  }

  // Asking twice may leave a lease without keys, which expires.
  async #grant(): Promise<string> {
    const { ID } = await this.#cluster.ask("lease/grant", { TTL: String(LEASE_SECONDS) });
    return ID ?? "";
  }
}

/** Returns the write of `commitId` to an idempotency key. */
export function writeCommitId(
  { key }: IdempotencyKey,
  commitId: string,
  lease: string,
): EtcdRequest {
  return { "request_put": { key, value: fromJson(commitId), lease } };
}

/** Returns the comparison that holds while an idempotency key is as its client left it. */
export function isUnchanged({ key, revision }: IdempotencyKey): EtcdRequest {
  return wasWrittenAt(key, revision);
}

/** Returns the commit id in an idempotency key; undefined if there is none. */
export function commitIdIn(pair: KeyValue | undefined): string | undefined {
  return pair && revisionOf(pair) > 0 ? JSON.parse(toText(pair.value)) : undefined;
}
