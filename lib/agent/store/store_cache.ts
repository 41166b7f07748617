// The agent's copy of the store in memory: decisions read it, commits check revisions, so a copy that
// lags can only cost another try, never a wrong write. A watch keeps it fresh.

import { VersionedMap } from "./versioned_map.ts";
import { PendingWrites } from "./pending_writes.ts";
import { pause } from "../../util/async/pause.ts";
import type { Check, CommitResult, Entry, Store, Write } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import type { Documents } from "../../intent/records.ts";

/** What a change of the store should be, given what is there; undefined when nothing is to be done. */
export type Change = (
  documents: Documents,
) => { readonly checks: readonly Check[]; readonly writes: readonly Write[] } | undefined;

const TRIES = 20;
const RETRY_MS = 1_000;
// A watch tells within some milliseconds; reading all takes a quarter of a second for 20,000 documents.
const TOLD_MS = 500;
// Asked for only to hear the store's revision.
const NO_KEY = "none/";

/** A copy of all documents of a store. */
export class StoreCache {
  readonly #store: Store;
  readonly #copy = new VersionedMap();
  #away: Fault | undefined;
  readonly #held = new PendingWrites();
  #isFollowing = false;
  readonly #catchingUp = new Coalesced(() => this.#catchUp());
  #trouble: Fault | undefined;
  #onTrouble: (trouble: Fault | undefined) => void = () => {};

  /** Whether other hosts use the store, too. */
  readonly isShared: boolean;

  private constructor(store: Store, isShared: boolean) {
    this.#store = store;
    this.isShared = isShared;
  }

  /** Reads the whole store. */
  static async load(store: Store): Promise<StoreCache> {
    const mirror = new StoreCache(store, false);
    await mirror.reload();
    return mirror;
  }

  /**
   * Reads the whole store; where it does not answer, takes `known` for it until follow() has read it.
   * Faults: what says more than that the store is away.
   */
  static async open(
    store: Store,
    known: Documents,
    { isShared = false } = {},
  ): Promise<StoreCache> {
    const mirror = new StoreCache(store, isShared);
    try {
      await mirror.reload();
    } catch (error) {
      mirror.#away = awayFault(error);
      for (const [key, document] of known) mirror.#copy.documents.set(key, document);
    }
    return mirror;
  }

  /** Who is told the key of each change, whoever made it; cheap, as set-ups wait for it. */
  set onChange(tell: (key: string) => void) {
    this.#copy.onChange = tell;
  }

  /** Why the store could not be read so far; undefined once it was. */
  get unreachable(): Fault | undefined {
    return this.#away;
  }

  /** Why the last call that the store did not answer failed; undefined since it has answered one. */
  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  /** Lets `tell` hear when the store ceases to answer and when it answers again. */
  onTrouble(tell: (trouble: Fault | undefined) => void): void {
    this.#onTrouble = tell;
  }

  /** Does a call of the store, and takes note of whether it answered. */
  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (this.#trouble) this.#onTrouble(undefined);
      this.#trouble = undefined;
      return answer;
    } catch (error) {
      const fault = faultFrom(error);
      if (!["unavailable", "timeout"].includes(fault.code)) throw error;
      const isNew = !this.#trouble;
      this.#trouble = fault;
      if (isNew) this.#onTrouble(fault);
      throw error;
    }
  }

  /** Revision up to which all is known. */
  get revision(): number {
    return this.#copy.revision;
  }

  get documents(): Documents {
    return this.#copy.documents;
  }

  /** Makes the copy equal to what the store lists now. */
  async reload(): Promise<void> {
    const { entries, revision } = await this.#readAll();
    if (this.#away) this.#copy.forget();
    this.#away = undefined;
    this.#copy.take(entries, revision);
  }

  /** Lists all; where nothing is known yet, each page is taken over while the next one is awaited. */
  async #readAll(): ReturnType<Store["list"]> {
    if (this.#copy.documents.size > 0) return await this.#ask(() => this.#store.list(""));
    // A list that was given up may still come in.
    let isOver = false;
    const takeOver = (page: readonly Entry[]) => {
      if (!isOver) page.forEach((entry) => this.#copy.note(entry));
    };
    try {
      return await this.#ask(() => this.#store.list("", takeOver));
    } catch (error) {
      this.#copy.documents.clear();
      throw error;
    } finally {
      isOver = true;
    }
  }

  /** Tries until the store has been read once; false when `signal` aborts first. */
  async #readable(signal: AbortSignal): Promise<boolean> {
    while (this.#away && !signal.aborted) {
      try {
        await this.reload();
      } catch (error) {
        this.#away = awayFault(error);
        await pause(RETRY_MS, signal);
      }
    }
    return !this.#away;
  }

  /**
   * Takes a change for done that the store, being away, could not be told. `group` names what it
   * belongs to; tellHeld() tells it.
   */
  addPending(group: string, checks: readonly Check[], writes: readonly Write[]): void {
    this.#held.add(group, checks, writes);
    for (const { key, value } of writes) {
      // The revision stays what it was: that is what the change is compared with later.
      const revision = this.#copy.documents.get(key)?.revision ?? 0;
      if (value === undefined) this.#copy.documents.delete(key);
      else this.#copy.documents.set(key, { value, revision });
    }
  }

  /** How many changes the store was not told yet. */
  get pendingCount(): number {
    return this.#held.size;
  }

  /** Tells the store what was held; gives what has to yield to somebody's change meanwhile. */
  async replayPending(): Promise<string[]> {
    return await this.#held.replay(
      (checks, writes) => this.tryCommit(checks, writes),
      async (keys) => {
        for (const key of keys) await this.refresh(key);
      },
    );
  }

  /** Makes sure that all is known that was committed before this call, by whomever. */
  catchUp(): Promise<void> {
    return this.#catchingUp.run();
  }

  async #catchUp(): Promise<void> {
    const { revision } = await this.#ask(() => this.#store.list(NO_KEY));
    if (!await this.#isTold(revision)) await this.reload();
  }

  /** Makes sure that all is known up to the change of `key` that a commit has just met. */
  async learn(key: string): Promise<void> {
    const entry = await this.#ask(() => this.#store.get(key));
    // Of a deletion it is not known when it was.
    if (!entry || !await this.#isTold(entry.revision)) await this.reload();
  }

  /** Reports whether all up to `revision` is known, for which it waits a moment where a watch tells. */
  async #isTold(revision: number): Promise<boolean> {
    if (revision <= this.#copy.revision || !this.#isFollowing) {
      return revision <= this.#copy.revision;
    }
    return await this.#copy.reaches(revision, TOLD_MS);
  }

  /** Follows the store until `signal` aborts; rings after each batch with news of somebody else. */
  async follow(signal: AbortSignal, ring: () => void): Promise<void> {
    if (this.#away && await this.#readable(signal)) ring();
    this.#isFollowing = true;
    while (!signal.aborted) {
      for await (const batch of this.#store.watch("", this.#copy.revision, signal)) {
        let isNews = batch.kind === "compacted";
        if (batch.kind === "compacted") await this.reload();
        else for (const change of batch.changes) isNews = this.#copy.note(change) || isNews;
        this.#copy.settle(batch.revision);
        if (isNews) ring();
      }
    }
    this.#isFollowing = false;
  }

  /**
   * Commits what `change` wants of the documents as they are; after a conflict reads the key anew and
   * asks again. Gives whether something was written. Faults: conflict after many tries.
   */
  async commit(change: Change): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const wanted = change(this.#copy.documents);
      if (!wanted) return false;
      const result = await this.tryCommit(wanted.checks, wanted.writes);
      if (result.done) return true;
      await this.refresh(result.conflict);
    }
    throw new Fault("conflict", "store does not come to rest", {
      why: `${TRIES} commits in a row met a change by somebody else`,
      fix: "try again",
    });
  }

  /** Commits once and takes over what was written. */
  async tryCommit(checks: readonly Check[], writes: readonly Write[]): Promise<CommitResult> {
    const result = await this.#ask(() => this.#store.commit(checks, writes));
    if (!result.done) return result;
    for (const { key, value } of writes) {
      this.#copy.note({ key, value, revision: result.revision });
      // What was held of it is older.
      this.#held.forget(key);
    }
    return result;
  }

  /** Reads one key anew; what was only held of it is forgotten. */
  async refresh(key: string): Promise<void> {
    const entry: Entry | undefined = await this.#ask(() => this.#store.get(key));
    if (!entry) this.#copy.documents.delete(key);
    // A watch may have told of a later write meanwhile.
    else if (entry.revision >= (this.#copy.documents.get(key)?.revision ?? 0)) {
      this.#copy.documents.set(key, { value: entry.value, revision: entry.revision });
    }
  }
}

/** Returns the Fault of a store that does not answer; throws any other. */
function awayFault(error: unknown): Fault {
  const fault = faultFrom(error);
  if (fault.code === "unavailable" || fault.code === "timeout") return fault;
  throw error;
}
