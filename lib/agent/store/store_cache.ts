// The agent's cache of the store: decisions read it and commits check revisions, so an outdated cache costs
// another try at most, never a wrong write. A watch keeps it up to date.

import { VersionedMap } from "./versioned_map.ts";
import { PendingWrites } from "./pending_writes.ts";
import { pause } from "../../util/async/pause.ts";
import type { Check, CommitOptions, CommitResult, Entry, Store, Write } from "../../store/store.ts";
import { Fault, faultFrom, isUnreachable } from "../../util/errors.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import type { Documents } from "../../intent/records.ts";

/** Returns the change of the store for the given documents; undefined if there is nothing to do. */
export type Change = (
  documents: Documents,
) => Desired | undefined;

/** A commit to be made. */
interface Desired extends CommitOptions {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

const TRIES = 20;
const RETRY_MS = 1_000;
// A watch takes a few milliseconds; reading everything a quarter of a second for 20,000 documents.
const WATCH_MS = 500;
// So long a watch may be behind because commits are on their way; longer, because others use the same etcd.
const WAY_MS = 10;
// Listed only to get the store's revision.
const NO_KEY = "none/";

/** A cache of all documents of a store. */
export class StoreCache {
  readonly #store: Store;
  readonly #map = new VersionedMap();
  #unreachable: Fault | undefined;
  readonly #pending = new PendingWrites();
  #isFollowing = false;
  readonly #catchingUp = new Coalesced(() => this.#catchUp());
  #trouble: Fault | undefined;
  #onTrouble: (trouble: Fault | undefined) => void = () => {};
  #onLate: () => void = () => {};
  /** Whether the last watch that was behind had to be asked for: others write to the same etcd. */
  #hasOthers = false;

  /** Whether other hosts use the store, too. */
  readonly isShared: boolean;

  private constructor(store: Store, isShared: boolean) {
    this.#store = store;
    this.isShared = isShared;
  }

  /** Reads the whole store. */
  static async load(store: Store): Promise<StoreCache> {
    const cache = new StoreCache(store, false);
    await cache.reload();
    return cache;
  }

  /**
   * Reads the whole store, and calls `onRead` with the number of documents so far; if it is unreachable,
   * uses what `known` returns until follow() has read it. Faults: all except an unreachable store.
   */
  static async open(
    store: Store,
    known: () => Documents | Promise<Documents>,
    { isShared = false, onRead }: {
      readonly isShared?: boolean;
      readonly onRead?: (count: number) => void;
    } = {},
  ): Promise<StoreCache> {
    const cache = new StoreCache(store, isShared);
    try {
      await cache.reload(onRead);
    } catch (error) {
      cache.#unreachable = unreachableFault(error);
      for (const [key, document] of await known()) cache.#map.documents.set(key, document);
    }
    return cache;
  }

  /** Called with the key of each change, by any client; must be cheap, as set-ups wait for it. */
  set onChange(listener: (key: string) => void) {
    this.#map.onChange = listener;
  }

  /** Why the store has not been read yet; undefined once it was. */
  get unreachable(): Fault | undefined {
    return this.#unreachable;
  }

  /** Why the store did not answer the last call; undefined once it answers again. */
  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  /** Calls `listener` when the store stops answering and when it answers again. */
  onTrouble(listener: (trouble: Fault | undefined) => void): void {
    this.#onTrouble = listener;
  }

  /** Calls `listener` each time that all is read again because the watch is too slow. */
  onLate(listener: () => void): void {
    this.#onLate = listener;
  }

  /** Calls the store, and records whether it answered. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (this.#trouble) this.#onTrouble(undefined);
      this.#trouble = undefined;
      return answer;
    } catch (error) {
      const fault = faultFrom(error);
      if (!isUnreachable(fault)) throw error;
      const isNew = !this.#trouble;
      this.#trouble = fault;
      if (isNew) this.#onTrouble(fault);
      throw error;
    }
  }

  /** Revision up to which everything is known. */
  get revision(): number {
    return this.#map.revision;
  }

  get documents(): Documents {
    return this.#map.documents;
  }

  /** Makes the cache equal to what the store lists now. */
  async reload(onRead?: (count: number) => void): Promise<void> {
    const before = this.#map.revision;
    const { entries, revision } = await this.#readAll(onRead);
    // A store that was restored or re-created has other revisions: what was known before does not apply to it.
    if (this.#unreachable || revision < before) this.#map.forget();
    this.#unreachable = undefined;
    // The watch has reported more meanwhile, also deletions of what is listed.
    if (revision < this.#map.revision) return;
    this.#map.replaceAll(entries, revision);
  }

  /** Lists everything; if nothing is known yet, takes over each page while waiting for the next one. */
  async #readAll(onRead: (count: number) => void = () => {}): ReturnType<Store["list"]> {
    // With a reader of pages, as a large store takes its time.
    if (this.#map.documents.size > 0) return await this.#call(() => this.#store.list("", () => {}));
    // Pages of a list that has failed may still arrive.
    let isOver = false;
    const takeOver = (page: readonly Entry[]) => {
      if (isOver) return;
      page.forEach((entry) => this.#map.merge(entry));
      onRead(this.#map.documents.size);
    };
    try {
      return await this.#call(() => this.#store.list("", takeOver));
    } catch (error) {
      this.#map.documents.clear();
      throw error;
    } finally {
      isOver = true;
    }
  }

  /** Tries until the store has been read once; false when `signal` aborts first. */
  async #readable(signal: AbortSignal): Promise<boolean> {
    while (this.#unreachable && !signal.aborted) {
      try {
        await this.reload();
      } catch (error) {
        this.#unreachable = unreachableFault(error);
        await pause(RETRY_MS, signal);
      }
    }
    return !this.#unreachable;
  }

  /**
   * Records a change in the cache that cannot be committed because the store is unreachable. `group`
   * names what it belongs to; replayPending() commits it.
   */
  addPending(group: string, checks: readonly Check[], writes: readonly Write[]): void {
    this.#pending.add(group, checks, writes);
    for (const { key, value } of writes) {
      // The revision stays as it was: replaying compares with it.
      const revision = this.#map.documents.get(key)?.revision ?? 0;
      if (value === undefined) this.#map.documents.delete(key);
      else this.#map.documents.set(key, { value, revision });
    }
  }

  /** Number of changes that are not committed yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Commits the pending changes; returns the groups dropped because other clients changed their records. */
  async replayPending(): Promise<string[]> {
    return await this.#pending.replay(
      (checks, writes) => this.tryCommit(checks, writes),
      async (keys) => {
        for (const key of keys) await this.refresh(key);
      },
    );
  }

  /** Makes sure that everything is known that any client committed before this call. */
  catchUp(): Promise<void> {
    return this.#catchingUp.run();
  }

  async #catchUp(): Promise<void> {
    const { revision } = await this.#call(() => this.#store.list(NO_KEY));
    if (revision <= this.#map.revision) {
      this.#hasOthers = false;
      return;
    }
    if (!this.#isFollowing || !await this.#watchReaches(revision)) await this.#reloadLate();
  }

  /** Reports whether the watch has all commits up to `revision`, which may be another user's of the etcd. */
  async #watchReaches(revision: number): Promise<boolean> {
    if (!this.#hasOthers && await this.#map.reaches(revision, WAY_MS)) return true;
    this.#hasOthers = true;
    const watermark = await this.#call(() => this.#store.watermark());
    return await this.#map.reaches(watermark, WATCH_MS);
  }

  /** Reads everything, as the watch has not reported it in time. */
  async #reloadLate(): Promise<void> {
    if (this.#isFollowing) this.#onLate();
    await this.reload();
  }

  /** Makes sure that everything is known up to the change of `key` with which a commit conflicted. */
  async learn(key: string): Promise<void> {
    const entry = await this.#call(() => this.#store.get(key));
    // The revision of a deletion is unknown.
    if (!entry) return await this.catchUp();
    if (!await this.#map.reaches(entry.revision, this.#isFollowing ? WATCH_MS : 0)) {
      await this.#reloadLate();
    }
  }

  /** Follows the store until `signal` aborts; calls `notify` after each batch with changes of others. */
  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    if (this.#unreachable && await this.#readable(signal)) notify();
    this.#isFollowing = true;
    while (!signal.aborted) {
      for await (const batch of this.#store.watch("", this.#map.revision, signal)) {
        let isNews = batch.kind === "compacted";
        if (batch.kind === "compacted") await this.reload();
        else for (const change of batch.changes) isNews = this.#map.merge(change) || isNews;
        this.#map.settle(batch.revision);
        if (isNews) notify();
      }
    }
    this.#isFollowing = false;
  }

  /**
   * Commits what `change` returns for the current documents; after a conflict reads the key again and
   * retries. Reports whether something was written. Faults: conflict after many tries.
   */
  async commit(change: Change): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const desired = change(this.#map.documents);
      if (!desired) return false;
      const result = await this.tryCommit(desired.checks, desired.writes, desired);
      if (result.done) return true;
      await this.refresh(result.conflict);
    }
    throw new Fault("conflict", "store keeps changing", {
      why: `${TRIES} commits in a row conflicted with changes by other clients`,
      fix: "try again",
    });
  }

  /** Commits once and records what was written. */
  async tryCommit(
    checks: readonly Check[],
    writes: readonly Write[],
    { isProvisional }: CommitOptions = {},
  ): Promise<CommitResult> {
    const result = await this.#call(() => this.#store.commit(checks, writes, { isProvisional }));
    if (!result.done) return result;
    for (const { key, value } of writes) {
      this.#map.merge({ key, value, revision: result.revision });
      // A pending write of it is older.
      this.#pending.forget(key);
    }
    return result;
  }

  /** Reads one key again; forgets a pending write of it. */
  async refresh(key: string): Promise<void> {
    const entry: Entry | undefined = await this.#call(() => this.#store.get(key));
    if (!entry) this.#map.documents.delete(key);
    // A watch may have reported a later write meanwhile.
    else if (entry.revision >= (this.#map.documents.get(key)?.revision ?? 0)) {
      this.#map.documents.set(key, { value: entry.value, revision: entry.revision });
    }
  }
}

/** Returns the Fault of an unreachable store; throws any other. */
function unreachableFault(error: unknown): Fault {
  if (error instanceof Fault && isUnreachable(error)) return error;
  throw error;
}
