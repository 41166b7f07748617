// Commits: one transaction of etcd each, and the way to know how it ended when its answer is lost.

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

/** A commit whose documents are already bytes; `value` undefined deletes. */
export interface PreparedCommit {
  readonly checks: readonly {
    readonly name: string;
    readonly key: Uint8Array;
    readonly revision: number;
  }[];
  readonly writes: readonly { readonly key: Uint8Array; readonly value: Uint8Array | undefined }[];
}

/** Returns a commit as etcd takes it; the caller may go on changing its documents. */
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

// How long to wait between two looks at how a commit ended.
const PAUSE_MS = 50;
// Names what is checked besides the caller's checks; no document has this key.
const OWN_CHECK = "\0";

/** How one try ended; undefined: nothing happened, and the next try may. */
type Ended = CommitResult | undefined;

/** Does commits, each at most once. */
export class EtcdCommits {
  readonly #cluster: EtcdCluster;
  readonly #marks: IdempotencyKeys;

  constructor(cluster: EtcdCluster, keys: EtcdKeys) {
    this.#cluster = cluster;
    this.#marks = new IdempotencyKeys(cluster, keys);
  }

  /** Does `commit`. Faults: unavailable, timeout. */
  async do(commit: PreparedCommit): Promise<CommitResult> {
    const until = this.#cluster.deadline();
    const isWriting = commit.writes.some(({ value }) => value !== undefined);
    if (!isWriting) return await this.#delete(commit, until);
    return await this.#write(commit, until);
  }

  /** Removes what this client left in etcd besides documents. */
  close(limitMs: number): Promise<void> {
    return this.#marks.remove(limitMs);
  }

  #write(commit: PreparedCommit, until: number): Promise<CommitResult> {
    return this.#marks.use(async (mark) => {
      const word = crypto.randomUUID();
      while (true) {
        const ended = await this.#tryWrite(commit, mark, word, until);
        if (ended) return ended;
      }
    });
  }

  async #tryWrite(
    commit: PreparedCommit,
    mark: IdempotencyKey,
    word: string,
    until: number,
  ): Promise<Ended> {
    const question = writeQuestion(commit, mark, word, await this.#marks.lease());
    try {
      const answer = await this.#cluster.askOnce("kv/txn", question, until);
      if (!answer.succeeded) return whyNot(commit, mark, word, answer);
      mark.revision = revisionIn(answer);
      return { done: true, revision: mark.revision };
    } catch (error) {
      if (this.#isLeaseGone(error)) return undefined;
      if (!(error instanceof OutcomeUnknown)) throw error;
      return await this.#settle(mark, word, until);
    }
  }

  // Takes the mark for itself: from then on the commit, wherever it is, can no longer be done.
  async #settle(mark: IdempotencyKey, word: string, until: number): Promise<Ended> {
    const own = crypto.randomUUID();
    while (true) {
      try {
        const question = settleQuestion(mark, own, await this.#marks.lease());
        const answer = await this.#cluster.askOnce("kv/txn", question, until);
        if (!answer.succeeded) return readMark(mark, word, pairsIn(answer)[0]);
        mark.revision = revisionIn(answer);
        return undefined;
      } catch (error) {
        if (this.#isLeaseGone(error)) continue;
        // Also where all are down: etcd may be back in time.
        const isOver = performance.now() + PAUSE_MS >= until;
        if (isOver && error instanceof Fault) throw outcomeUnknownFault(error);
        if (!(error instanceof OutcomeUnknown || error instanceof Fault)) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  #isLeaseGone(error: unknown): boolean {
    const cause = error instanceof Fault ? error.cause : undefined;
    const isGone = cause instanceof TransportError && cause.code === CODE.notFound;
    if (isGone) this.#marks.forgetLease();
    return isGone;
  }

  /**
   * A commit that only deletes must take no revision when there is nothing to delete, so it cannot
   * write a mark always: what is there is looked up first, and then checked like all else.
   */
  async #delete(commit: PreparedCommit, until: number): Promise<CommitResult> {
    while (true) {
      const look = await this.#cluster.ask("kv/txn", lookQuestion(commit), until);
      const pairs = pairsIn(look);
      if (!look.succeeded) return conflictIn(commit, pairs) ?? failed();
      const found = commit.writes.flatMap(({ key }, at) => {
        const revision = revisionOf(pairs[at]);
        return revision > 0 ? [{ name: OWN_CHECK, key, revision }] : [];
      });
      if (found.length === 0) return { done: true, revision: revisionIn(look) };
      const seen = found.filter(({ key }) =>
        !commit.checks.some((check) => isSame(check.key, key))
      );
      const result = await this.#write({ ...commit, checks: [...commit.checks, ...seen] }, until);
      // Somebody wrote in between what was to be deleted: look again.
      if (result.done || result.conflict !== OWN_CHECK) return result;
    }
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function writeQuestion(
  { checks, writes }: PreparedCommit,
  mark: IdempotencyKey,
  word: string,
  lease: string,
): EtcdRequest {
  return {
    compare: [...checks.map(({ key, revision }) => wasWrittenAt(key, revision)), isUnchanged(mark)],
    success: [...writes.map(writeOperation), writeCommitId(mark, word, lease)],
    failure: [...checks, mark].map(readOperation),
  };
}

function lookQuestion({ checks, writes }: PreparedCommit): EtcdRequest {
  return {
    compare: checks.map(({ key, revision }) => wasWrittenAt(key, revision)),
    success: writes.map(readOperation),
    failure: checks.map(readOperation),
  };
}

function settleQuestion(mark: IdempotencyKey, word: string, lease: string): EtcdRequest {
  return {
    compare: [isUnchanged(mark)],
    success: [writeCommitId(mark, word, lease)],
    failure: [readOperation(mark)],
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

function whyNot(
  commit: PreparedCommit,
  mark: IdempotencyKey,
  word: string,
  answer: EtcdResponse,
): Ended {
  const pairs = pairsIn(answer);
  const left = mark.revision;
  const done = readMark(mark, word, pairs.at(-1));
  if (done) return done;
  const conflict = conflictIn(commit, pairs);
  // Either a check did not hold or the mark was not as left; anything else is a broken promise.
  return conflict ?? (mark.revision === left ? failed() : undefined);
}

// A mark with the commit's word in it: it was done after all. The mark is then known again.
function readMark(mark: IdempotencyKey, word: string, pair: KeyValue | undefined): Ended {
  mark.revision = revisionOf(pair);
  return commitIdIn(pair) === word ? { done: true, revision: mark.revision } : undefined;
}

function conflictIn(
  { checks }: PreparedCommit,
  pairs: readonly (KeyValue | undefined)[],
): CommitResult | undefined {
  const broken = checks.find(({ revision }, at) => revisionOf(pairs[at]) !== revision);
  return broken ? { done: false, conflict: broken.name } : undefined;
}

function failed(): never {
  throw new Fault("failed", "etcd refused a commit and gave no reason");
}
