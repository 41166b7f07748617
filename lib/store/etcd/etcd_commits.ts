// Commits: one etcd transaction each, and how to find out its outcome when its answer is lost.

import { Fault } from "../../util/errors.ts";
import type { Check, CommitResult, Write } from "../store.ts";
import { type EtcdCluster, OutcomeUnknown } from "./etcd_cluster.ts";
import { outcomeUnknownFault } from "./etcd_faults.ts";
import { type EtcdKeys, fromJson, revisionOf, wasWrittenAt } from "./etcd_keys.ts";
import {
  commitIdIn,
  type IdempotencyKey,
  IdempotencyKeys,
  isUnchanged,
  writeCommitId,
} from "./idempotency_keys.ts";
import {
  CODE,
  type EtcdRequest,
  type EtcdResponse,
  type KeyValue,
  TransportError,
} from "./transport.ts";

/** A commit with its documents as bytes; `value` undefined deletes. */
export interface PreparedCommit {
  readonly checks: readonly {
    readonly name: string;
    readonly key: Uint8Array;
    readonly revision: number;
  }[];
  readonly writes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[];
}

/** Returns a commit for etcd; the caller may change its documents later. */
export function prepareCommit(
  keys: EtcdKeys,
  checks: readonly Check[],
  writes: readonly Write[],
): PreparedCommit {
  return {
    checks: checks.map(({ key, revision }) => ({ name: key, key: keys.bytes(key), revision })),
    writes: writes.map(({ key, value }) => ({
      key: keys.bytes(key),
      value: value === undefined ? undefined : fromJson(value),
    })),
  };
}

// Pause between two tries to find out the outcome of a commit.
const PAUSE_MS = 50;
// Names the checks added to those of the caller; no document has this key.
const OWN_CHECK = "\0";

/** Outcome of one try; undefined: it was not applied, and may be tried again. */
type Outcome = CommitResult | undefined;

/** Applies commits, each at most once. */
export class EtcdCommits {
  readonly #cluster: EtcdCluster;
  readonly #keys: IdempotencyKeys;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#keys = new IdempotencyKeys(cluster, keys);
  }

  /** Applies `commit`. Faults: unavailable, timeout. */
  async apply(commit: PreparedCommit): Promise<CommitResult> {
    const until = this.#cluster.deadline();
    const isWriting = commit.writes.some(({ value }) => value !== undefined);
    if (!isWriting) return await this.#delete(commit, until);
    return await this.#write(commit, until);
  }

  /** Removes the idempotency keys of this client. */
  close(limitMs: number): Promise<void> {
    return this.#keys.remove(limitMs);
  }

  #write(commit: PreparedCommit, until: number): Promise<CommitResult> {
    return this.#keys.use(async (key) => {
      const commitId = crypto.randomUUID();
      while (true) {
        const outcome = await this.#tryWrite(commit, key, commitId, until);
        if (outcome) return outcome;
      }
    });
  }

  async #tryWrite(
    commit: PreparedCommit,
    key: IdempotencyKey,
    commitId: string,
    until: number,
  ): Promise<Outcome> {
    const request = writeRequest(commit, key, commitId, await this.#keys.lease());
    try {
      const response = await this.#cluster.askOnce("kv/txn", request, until);
      if (!response.succeeded) return outcomeOf(commit, key, commitId, response);
      key.revision = revisionIn(response);
      return { done: true, revision: key.revision };
    } catch (error) {
      if (this.#isLeaseExpired(error)) return undefined;
      if (!(error instanceof OutcomeUnknown)) throw error;
      return await this.#invalidate(key, commitId, until);
    }
  }

  // Writes the idempotency key: after that the commit, wherever it is, can no longer be applied.
  async #invalidate(key: IdempotencyKey, commitId: string, until: number): Promise<Outcome> {
    const own = crypto.randomUUID();
    while (true) {
      try {
        const request = invalidateRequest(key, own, await this.#keys.lease());
        const response = await this.#cluster.askOnce("kv/txn", request, until);
        if (!response.succeeded) return readOutcome(key, commitId, pairsIn(response)[0]);
        key.revision = revisionIn(response);
        return undefined;
      } catch (error) {
        if (this.#isLeaseExpired(error)) continue;
        // Also if all members are down: etcd may be back in time.
        const isOver = performance.now() + PAUSE_MS >= until;
        if (isOver && error instanceof Fault) throw outcomeUnknownFault(error);
        if (!(error instanceof OutcomeUnknown || error instanceof Fault)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  #isLeaseExpired(error: unknown): boolean {
    const cause = error instanceof Fault ? error.cause : undefined;
    const isExpired = cause instanceof TransportError && cause.code === CODE.notFound;
    if (isExpired) this.#keys.forgetLease();
    return isExpired;
  }

  /**
   * A commit that only deletes must take no revision if there is nothing to delete, so it cannot always
   * write an idempotency key: it reads the keys to delete first, and then checks them as well.
   */
  async #delete(commit: PreparedCommit, until: number): Promise<CommitResult> {
    while (true) {
      const current = await this.#cluster.ask("kv/txn", readRequest(commit), until);
      const pairs = pairsIn(current);
      if (!current.succeeded) return conflictIn(commit, pairs) ?? failed();
      const found = commit.writes.flatMap(({ key }, at) => {
        const revision = revisionOf(pairs[at]);
        return revision > 0 ? [{ name: OWN_CHECK, key, revision }] : [];
      });
      if (found.length === 0) return { done: true, revision: revisionIn(current) };
      const seen = found.filter(({ key }) =>
        !commit.checks.some((check) => isSame(check.key, key))
      );
      const result = await this.#write({ ...commit, checks: [...commit.checks, ...seen] }, until);
      // Another client wrote a key to delete in between: read again.
      if (result.done || result.conflict !== OWN_CHECK) return result;
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function writeRequest(
  { checks, writes }: PreparedCommit,
  key: IdempotencyKey,
  commitId: string,
  lease: string,
): EtcdRequest {
  return {
    compare: [...checks.map(({ key, revision }) => wasWrittenAt(key, revision)), isUnchanged(key)],
    success: [...writes.map(writeOperation), writeCommitId(key, commitId, lease)],
    failure: [...checks, key].map(readOperation),
  };
}

function readRequest({ checks, writes }: PreparedCommit): EtcdRequest {
  return {
    compare: checks.map(({ key, revision }) => wasWrittenAt(key, revision)),
    success: writes.map(readOperation),
    failure: checks.map(readOperation),
  };
}

function invalidateRequest(key: IdempotencyKey, commitId: string, lease: string): EtcdRequest {
  return {
    compare: [isUnchanged(key)],
    success: [writeCommitId(key, commitId, lease)],
    failure: [readOperation(key)],
  };
}

function writeOperation({ key, value }: PreparedCommit["writes"][number]): EtcdRequest {
  return value ? { "request_put": { key, value } } : { "request_delete_range": { key } };
}

function readOperation({ key }: { readonly key: Uint8Array }): EtcdRequest {
  return { "request_range": { key } };
}

function pairsIn({ responses = [] }: EtcdResponse): (KeyValue | undefined)[] {
  return responses.map((response) => response["response_range"]?.kvs?.[0]);
}

function revisionIn({ header }: EtcdResponse): number {
  return Number(header?.revision ?? 0);
}

function outcomeOf(
  commit: PreparedCommit,
  key: IdempotencyKey,
  commitId: string,
  response: EtcdResponse,
): Outcome {
  const pairs = pairsIn(response);
  const expected = key.revision;
  const done = readOutcome(key, commitId, pairs.at(-1));
  if (done) return done;
  const conflict = conflictIn(commit, pairs);
  // Either a check did not hold or the idempotency key had changed; anything else is a bug.
  return conflict ?? (key.revision === expected ? failed() : undefined);
}

// The idempotency key contains the commit id if the commit was applied. Its revision is then known again.
function readOutcome(key: IdempotencyKey, commitId: string, pair: KeyValue | undefined): Outcome {
  key.revision = revisionOf(pair);
  return commitIdIn(pair) === commitId ? { done: true, revision: key.revision } : undefined;
}

function conflictIn(
  { checks }: PreparedCommit,
  pairs: readonly (KeyValue | undefined)[],
): CommitResult | undefined {
  const broken = checks.find(({ revision }, at) => revisionOf(pairs[at]) !== revision);
  return broken ? { done: false, conflict: broken.name } : undefined;
}

function failed(): never {
  throw new Fault("failed", "etcd refused a commit and reported no reason");
}
