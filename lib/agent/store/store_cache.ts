// The agent's cache of the store: decisions read it and commits check revisions, so an outdated cache costs
// another try at most, never a wrong write. Watches keep it up to date.
//
// It has all of a store that is this host's alone. Of a store that hosts share it has what its host needs, once the
// store says that its indexes are complete; until then, all of it.

import { pause } from "../../util/async/pause.ts";
import { Fault, isUnreachable } from "../../util/errors.ts";
import type { Documents } from "../../intent/records.ts";
import { idOf } from "../../intent/reach_settings.ts";
import { indexWrites } from "../../intent/store_index.ts";
import type { Check, CommitOptions, CommitResult, Store, Write } from "../../store/store.ts";
import { type AddressSearch, findFreeAddresses, type NetworkPool } from "./free_addresses.ts";
import { CurrentView } from "./current_view.ts";
import { networksOf } from "./documents.ts";
import { type Held, HeldNetworks, type Needs } from "./held_networks.ts";
import { namedIn } from "./needed_networks.ts";
import { OwnCommits } from "./own_commits.ts";
import { PendingWrites } from "./pending_writes.ts";
import { SingleReads } from "./single_reads.ts";
import { StoreCalls } from "./store_calls.ts";
import type { Known, StoreView, ViewSource } from "./store_view.ts";
import { TransientCache } from "./transient_cache.ts";
import type { VersionedWrite } from "./versioned_map.ts";
import { ViewChooser } from "./view_chooser.ts";

/** Returns the change of the store for the given documents; undefined if there is nothing to do. */
export type Change = (
  documents: Documents,
) => Desired | undefined;

/** A commit to be made. */
interface Desired extends CommitOptions {
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
}

/** Options of a cache. */
export interface CacheOptions {
  /** Whether other hosts use the store, too. @default false */
  readonly isShared?: boolean;
  /** Host whose needs decide what is read of a shared store. @default everything is read */
  readonly scope?: string;
  /** Called with the number of documents read so far. */
  readonly onRead?: (count: number) => void;
  /** Called with what was written. */
  readonly onCommit?: (writes: readonly VersionedWrite[]) => void;
}

const TRIES = 20;
const RETRY_MS = 1_000;

/** A cache of the documents of a store. */
export class StoreCache {
  readonly #store: Store;
  readonly #options: CacheOptions;
  readonly #current: CurrentView;
  #unreachable: Fault | undefined;
  readonly #pending = new PendingWrites();
  readonly #held = new HeldNetworks();
  readonly #whole: TransientCache<StoreCache>;
  readonly #calls = new StoreCalls();
  readonly #reads = new SingleReads();
  readonly #commits = new OwnCommits();
  readonly #views: ViewChooser;
  #onLate: () => void = () => {};
  #onView: () => void = () => {};
  #onChange: (key: string) => void = () => {};

  private constructor(store: Store, options: CacheOptions) {
    this.#store = store;
    this.#options = options;
    const { isShared = false, scope } = options;
    this.#views = new ViewChooser(this.#source(), isShared ? scope : undefined, this.#held);
    this.#current = new CurrentView({
      ...{ views: this.#views, onRead: options.onRead },
      onReplaced: () => {
        this.#showPending(this.#pending.writes());
        this.#onView();
      },
    });
    this.#whole = new TransientCache(() => this.#loadWhole());
  }

  /** Reads the whole store, also where `scope` is set. */
  static async load(store: Store, options: CacheOptions = {}): Promise<StoreCache> {
    const cache = new StoreCache(store, options);
    await cache.reload();
    return cache;
  }

  /**
   * Reads the store; if it is unreachable, uses what `known` returns until follow() has read it. Faults: all except
   * an unreachable store.
   */
  static async open(
    store: Store,
    known: () => Known | Promise<Known>,
    options: CacheOptions = {},
  ): Promise<StoreCache> {
    const cache = new StoreCache(store, options);
    try {
      await cache.#current.open();
    } catch (error) {
      cache.#unreachable = unreachableFault(error);
      cache.#current.replace(cache.#views.whole(await known()));
    }
    return cache;
  }

  /** Whether other hosts use the store, too: then commits write its indexes. */
  get isShared(): boolean {
    return this.#options.isShared ?? false;
  }

  /** Called with the key of each change, by any client; must be cheap, as set-ups wait for it. */
  set onChange(listener: (key: string) => void) {
    this.#onChange = listener;
  }

  /** Why the store has not been read yet; undefined once it was. */
  get unreachable(): Fault | undefined {
    return this.#unreachable;
  }

  /** Why the store did not answer the last call; undefined once it answers again. */
  get trouble(): Fault | undefined {
    return this.#calls.trouble;
  }

  /** Calls `listener` when the store stops answering and when it answers again. */
  onTrouble(listener: (trouble: Fault | undefined) => void): void {
    this.#calls.onTrouble = listener;
  }

  /** Calls `listener` each time that all is read again because the watch is too slow. */
  onLate(listener: () => void): void {
    this.#onLate = listener;
  }

  /** Calls `listener` each time that isWhole may have changed. */
  onView(listener: () => void): void {
    this.#onView = listener;
  }

  /** Revision up to which everything is known; of a part of the store: of the last change. */
  get revision(): number {
    return this.#view.revision;
  }

  get documents(): Documents {
    return this.#view.documents;
  }

  /** Whether it has all documents of the store. */
  get isWhole(): boolean {
    return this.#view.isWhole;
  }

  /** Reports whether the endpoints, attachments and claims of a network are known. */
  knows({ tenant, network }: { readonly tenant: string; readonly network: string }): boolean {
    return this.#view.knows(`${tenant}/${network}`);
  }

  /** What is known now. */
  get known(): Known {
    const { documents, isWhole } = this;
    if (isWhole) return { documents };
    const networks = networksOf(documents).map(idOf).filter((id) => this.#view.knows(id));
    return { documents, networks };
  }

  /** Whether a policy of Kubernetes is known: it may name pods in any network of a tenant. */
  set hasKubePolicies(areThere: boolean) {
    this.#views.hasKubePolicies = areThere;
  }

  /** Makes sure that what the documents say is needed is known, as far as the store answers. */
  async settle(): Promise<void> {
    await this.#view.adjust().catch((error) => void unreachableFault(error));
  }

  /**
   * Makes sure that what is needed is known until the result is disposed of. While the store is unreachable, what is
   * known has to do; the result says so.
   */
  async need(needs: Needs): Promise<Held> {
    const { words = [], networks } = needs;
    // A pod that is known by one of its words does not wait for a store that does not answer.
    const isNamed = () => words.some((word) => namedIn(this.documents, word).length > 0);
    const asked = this.trouble && isNamed() ? [] : words;
    return await this.#held.hold(this.#view, { words: asked, ...networks && { networks } });
  }

  /** As need(), until the next call. Faults: unavailable, timeout. */
  async keep(needs: Needs): Promise<void> {
    if (!this.isWhole) await this.#held.keep(this.#view, needs);
  }

  /** Returns the result of `work` on a cache of the whole store. Faults: unavailable, timeout; those of `work`. */
  async withWhole<T>(work: (cache: StoreCache) => Promise<T>): Promise<T> {
    if (!this.isWhole) return await this.#whole.use(work);
    return await this.#current.pinned(() => work(this));
  }

  /** Reads the documents below a prefix, whether they are known or not. Faults: unavailable, timeout. */
  async read(prefix: string): Promise<Documents> {
    const { entries } = await this.#calls.call(() => this.#store.list(prefix, () => {}));
    return new Map(entries.map(({ key, value, revision }) => [key, { value, revision }]));
  }

  /** Makes the cache equal to what the store lists now. */
  async reload(): Promise<void> {
    await this.#view.load(this.#options.onRead);
  }

  /**
   * Records a change in the cache that cannot be committed because the store is unreachable. `group`
   * names what it belongs to; replayPending() commits it.
   */
  addPending(group: string, checks: readonly Check[], writes: readonly Write[]): void {
    const indexed = this.#withIndexes(writes);
    this.#pending.add(group, checks, indexed);
    // The revision stays as it was: replaying compares with it.
    const revisionOf = (key: string) => this.documents.get(key)?.revision ?? 0;
    this.#showPending(indexed.map((one) => ({ ...one, revision: revisionOf(one.key) })));
  }

  #showPending(writes: Iterable<VersionedWrite>): void {
    for (const { key, value, revision } of writes) {
      this.#view.put(key, value === undefined ? undefined : { value, revision });
    }
  }

  get #view(): StoreView {
    return this.#current.view;
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

  /**
   * Makes sure that what any client committed before this call is known: of a part of the store, the intent, and the
   * endpoints that `words` name. The part may have taken over from the whole after need(). Faults: unavailable, timeout.
   */
  async catchUp({ words = [] }: Pick<Needs, "words"> = {}): Promise<void> {
    await this.#view.catchUp();
    if (words.length === 0 || this.isWhole) return;
    using held = await this.#held.hold(this.#view, { words });
    if (held.fault) throw held.fault;
  }

  /**
   * As catchUp(), for a pod that no known endpoint names. While the store is unreachable, what is known decides if it is
   * the whole store; a part of it may lack the pod's endpoint. Faults: unavailable, timeout, of a part.
   */
  async lookUp(words: readonly string[]): Promise<void> {
    try {
      await this.catchUp({ words });
    } catch (error) {
      if (!this.isWhole) throw error;
    }
  }

  /** Makes sure that everything is known up to the change of `key` with which a commit conflicted. */
  async learn(key: string): Promise<void> {
    await this.#view.learn(key);
  }

  /** Follows the store until `signal` aborts; calls `notify` after each batch with changes of others. */
  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    if (this.#unreachable && await this.#readable(signal)) notify();
    await this.#current.follow(signal, notify);
    this.#whole.close();
  }

  async #loadWhole(): Promise<StoreCache> {
    return await StoreCache.load(this.#store, {
      isShared: this.isShared,
      onCommit: (writes) => this.#current.merge(writes),
    });
  }

  #source(): ViewSource {
    return {
      store: this.#store,
      call: (work) => this.#calls.call(work),
      reads: this.#reads,
      commits: this.#commits,
      onChange: (key) => {
        this.#reads.noteChange(key);
        this.#onChange(key);
      },
      onLate: () => this.#onLate(),
    };
  }

  /** Tries until the store has been read once; false when `signal` aborts first. */
  async #readable(signal: AbortSignal): Promise<boolean> {
    while (this.#unreachable && !signal.aborted) {
      try {
        await this.#current.open();
        this.#unreachable = undefined;
      } catch (error) {
        this.#unreachable = unreachableFault(error);
        await pause(RETRY_MS, signal);
      }
    }
    return !this.#unreachable;
  }

  /**
   * Commits what `change` returns for the current documents; after a conflict reads the key again and
   * retries. Reports whether something was written. Faults: conflict after many tries.
   */
  async commit(change: Change): Promise<boolean> {
    for (let tries = 0; tries < TRIES; tries++) {
      const desired = change(this.documents);
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
    options: CommitOptions = {},
  ): Promise<CommitResult> {
    const indexed = this.#withIndexes(writes);
    const keys = indexed.map(({ key }) => key);
    return await this.#commits.run(keys, () => this.#commitOnce(checks, indexed, options));
  }

  async #commitOnce(
    checks: readonly Check[],
    indexed: readonly Write[],
    { isProvisional }: CommitOptions,
  ): Promise<CommitResult> {
    const result = await this.#calls.call(() =>
      this.#store.commit(checks, indexed, { isProvisional })
    );
    if (!result.done) return result;
    // A pending write of it is older.
    for (const { key } of indexed) this.#pending.forget(key);
    const { revision } = result;
    const written = indexed.map(({ key, value }) => ({ key, value, revision }));
    this.#current.merge(written);
    this.#options.onCommit?.(written);
    return result;
  }

  #withIndexes(writes: readonly Write[]): readonly Write[] {
    return this.isShared ? [...writes, ...indexWrites(this.documents, writes)] : writes;
  }

  /** Finds free addresses of a network by the claims that the store has now: findFreeAddresses(). */
  findFreeAddresses(network: NetworkPool, search: AddressSearch): Promise<string[]> {
    return this.#calls.call(() => findFreeAddresses(this.#store, network, search));
  }

  /** Resolves when all that was committed survives a power failure. Faults: as commit(). */
  persist(): Promise<void> {
    return this.#calls.call(() => this.#store.persist());
  }

  /** Reads one key again; forgets a pending write of it. */
  async refresh(key: string): Promise<void> {
    const get = () => this.#calls.call(() => this.#store.get(key));
    await this.#reads.readInto(this.#view, key, get);
  }
}

/** Returns the Fault of an unreachable store; throws any other. */
function unreachableFault(error: unknown): Fault {
  if (error instanceof Fault && isUnreachable(error)) return error;
  throw error;
}
