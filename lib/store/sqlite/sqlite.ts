// The store in one SQLite file: for one host, by one or more processes at once.
// node:sqlite is synchronous, so each use of it is one short transaction; waiting (for the lock of
// another process, for changes, for the disk) happens outside of it. Commits requested at the same time share one
// transaction, and those that wait for the disk one sync.

import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import type { Fault } from "../../util/errors.ts";
import {
  type Check,
  checkCommitLimits,
  type CommitOptions,
  type CommitResult,
  type Entry,
  type Store,
  type WatchBatch,
  type Write,
} from "../store.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import {
  closedFault,
  isBusy,
  lockedFault,
  replacedFault,
  slowDiskFault,
  storeFault,
} from "./sqlite_faults.ts";
import { LogDisk } from "./sqlite_disk.ts";
import { openDatabase, resolveStorePath } from "./sqlite_file.ts";
import { openSnapshot } from "./sqlite_snapshot.ts";
import { type GroupResult, lastRevision, type PreparedCommit, Rows } from "./sqlite_rows.ts";
import { type Watcher, Watchers } from "./sqlite_watch.ts";

/** Options of openSqlite(). */
export interface SqliteOptions {
  /** A call that finds the store locked by another process faults after this. @default 5000 */
  readonly limitMs?: number;
  /** How many revisions back a watch may begin. @default 10000 */
  readonly keepRevisions?: number;
}

// Most commits of one transaction: limits how long the event loop is blocked.
const GROUP = 64;

/**
 * Opens the store in the file `path`, created (0600) if missing; its folder must exist and be private.
 * Faults: unavailable (folder, owner, mode, damage, newer schema, disk), timeout (locked).
 */
export async function openSqlite(path: string, options: SqliteOptions = {}): Promise<Store> {
  const { limitMs = 5_000, keepRevisions = 10_000 } = options;
  const open = () => {
    const absolute = resolveStorePath(path);
    const db = openDatabase(absolute);
    return new SqliteStore(db, absolute, limitMs, keepRevisions);
  };
  return await retryBusy(path, limitMs, open);
}

interface Pending {
  readonly commit: PreparedCommit;
  readonly until: number;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #inode: number | null | undefined;
  readonly #limitMs: number;
  readonly #rows: Rows;
  readonly #watchers: Watchers;
  readonly #disk: LogDisk;
  /** Calls that wait for the disk. */
  readonly #persisting = new Set<Promise<void>>();
  #hasCommitted = false;
  #queue: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(db: DatabaseSync, path: string, limitMs: number, keepRevisions: number) {
    this.#db = db;
    this.#path = path;
    this.#inode = inodeOf(path);
    this.#limitMs = limitMs;
    this.#rows = new Rows(db, keepRevisions);
    this.#disk = new LogDisk(path);
    this.#watchers = new Watchers(() => this.#use(() => this.#rows.dataVersion()));
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read(() => this.#rows.get(key));
  }

  async list(
    prefix: string,
    onPage?: (page: readonly Entry[]) => void,
  ): Promise<{ entries: Entry[]; revision: number }> {
    if (!onPage) return await this.#read(() => this.#rows.list(prefix));
    const snapshot = await this.#read(() => openSnapshot(this.#path));
    try {
      const entries: Entry[] = [];
      // Between two pages, other work of this process takes its turn. A timer lets it: with setImmediate()
      // a request on a socket waited for 100 pages.
      for (const page of snapshot.pages(prefix)) {
        if (this.#closing) throw closedFault(this.#path);
        onPage(page);
        for (const entry of page) entries.push(entry);
        await new Promise((done) => setTimeout(done, 0));
      }
      return { entries, revision: snapshot.revision };
    } catch (error) {
      throw storeFault(this.#path, error);
    } finally {
      snapshot.close();
    }
  }

  count(prefixes: readonly string[]): Promise<number[]> {
    return this.#read(() => this.#rows.count(prefixes));
  }

  async commit(
    checks: readonly Check[],
    writes: readonly Write[],
    { isProvisional = false }: CommitOptions = {},
  ): Promise<CommitResult> {
    if (this.#closing) throw closedFault(this.#path);
    checkCommitLimits(checks, writes);
    // Copied and serialized now: the caller may change its documents later.
    const commit = {
      checks: checks.map((check) => ({ ...check })),
      writes: writes.map(({ key, value }) => ({
        key,
        text: value === undefined ? null : JSON.stringify(value),
      })),
    };
    const { promise, resolve, reject } = Promise.withResolvers<CommitResult>();
    const until = performance.now() + this.#limitMs;
    this.#queue.push({ commit, until, resolve, reject });
    this.#flushing ??= this.#flush();
    const result = await promise;
    if (result.done && !isProvisional) await this.persist();
    return result;
  }

  async persist(): Promise<void> {
    if (!this.#hasCommitted) return;
    const persisting = this.#persist();
    this.#persisting.add(persisting);
    try {
      await persisting;
    } finally {
      this.#persisting.delete(persisting);
    }
  }

  async #persist(): Promise<void> {
    const [limitMs, endMs] = [this.#limitMs, performance.now() + this.#limitMs];
    try {
      await withDeadline(endMs, () => slowDiskFault(this.#path, limitMs), this.#disk.sync());
    } catch (error) {
      throw storeFault(this.#path, error);
    }
  }

  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const watcher = this.#watchers.add(prefix, revision);
    try {
      while (!signal.aborted) {
        const batch = await this.#read(() => this.#pull(watcher));
        if (signal.aborted) return;
        if (batch) yield batch;
        if (batch?.kind === "compacted") return;
        await this.#watchers.wait(watcher, signal);
      }
    } finally {
      this.#watchers.remove(watcher);
    }
  }

  async watermark(): Promise<number> {
    const revision = await this.#read(() => lastRevision(this.#db));
    // Commits of other processes are read now, not at the next poll.
    this.#watchers.poll();
    return revision;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#end();
  }

  async #end(): Promise<void> {
    await this.#flushing; // commits requested before are still done
    await Promise.allSettled(this.#persisting);
    this.#disk.close();
    this.#watchers.wakeAll(); // each finds the store closed and faults
    this.#db.close();
  }

  #read<T>(work: () => T): Promise<T> {
    return retryBusy(this.#path, this.#limitMs, () => {
      if (this.#closing) throw closedFault(this.#path);
      return this.#use(work);
    });
  }

  // Without this check, commits would go on into a file that another program has removed, and be lost with it
  // when this process ends.
  #use<T>(work: () => T): T {
    if (inodeOf(this.#path) !== this.#inode) throw replacedFault(this.#path);
    return work();
  }

  #pull(watcher: Watcher): WatchBatch | undefined {
    const page = this.#rows.readLog(watcher.prefix, watcher.revision);
    if (page.kind === "compacted") return page;
    const { changes, revision } = page;
    // Another connection wrote, but no commit of a store: the file was changed by hand.
    const isByHand = watcher.isForeign && changes.length === 0 && revision === watcher.revision;
    watcher.isForeign = false;
    if (isByHand) return { kind: "compacted", revision };
    watcher.revision = revision;
    watcher.isBehind = page.hasMore;
    return changes.length > 0 ? { kind: "changes", changes, revision } : undefined;
  }

  async #flush(): Promise<void> {
    await turn(); // commits requested meanwhile join this group
    while (this.#queue.length > 0) {
      const group = this.#queue.slice(0, GROUP);
      try {
        const commits = group.map(({ commit }) => commit);
        const done = this.#use(() => this.#rows.commit(commits));
        this.#hasCommitted = true;
        this.#queue = this.#queue.slice(group.length);
        this.#settle(group, done);
      } catch (error) {
        if (isBusy(error)) await this.#waitForLock(error);
        else this.#reject(new Set(group), storeFault(this.#path, error));
      }
      await turn();
    }
    this.#flushing = undefined;
  }

  #settle(group: readonly Pending[], { results, before, after }: GroupResult): void {
    for (const [at, result] of results.entries()) group[at]?.resolve(result);
    if (after === before) return;
    const writes = group.flatMap(({ commit }, at) => results[at]?.done ? commit.writes : []);
    this.#watchers.committed(before + 1, after, writes.map(({ key }) => key));
  }

  async #waitForLock(error: unknown): Promise<void> {
    const now = performance.now();
    const expired = this.#queue.filter(({ until }) => until <= now);
    this.#reject(new Set(expired), lockedFault(this.#path, this.#limitMs, error));
    await pause();
  }

  #reject(refused: ReadonlySet<Pending>, fault: Fault): void {
    this.#queue = this.#queue.filter((pending) => !refused.has(pending));
    for (const { reject } of refused) reject(fault);
  }
}

async function retryBusy<T>(path: string, limitMs: number, work: () => T): Promise<T> {
  const until = performance.now() + limitMs;
  while (true) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw storeFault(path, error);
      if (performance.now() >= until) throw lockedFault(path, limitMs, error);
    }
    await pause();
  }
}

// Locks are held for about a millisecond; the random part keeps two waiters from colliding again and again.
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 8));
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
