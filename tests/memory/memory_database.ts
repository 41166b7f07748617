// Documents in memory with revisions and a history, for tests: what all clients of one MemoryStore share.
// Everything happens at once, so tests of pure code use it directly.

import {
  type Change,
  type Check,
  checkCommitLimits,
  type CommitResult,
  type Entry,
  type Json,
  type WatchBatch,
  type Write,
} from "../../lib/store/store.ts";

/** A store's content. A test may change `documents` by hand, past revisions and history. */
export class MemoryDatabase {
  readonly documents = new Map<string, Entry>();
  #revision = 0;
  #history: Change[] = [];
  // Changes up to this revision are forgotten.
  #compacted = 0;
  #watermark = 0;
  #changed = Promise.withResolvers<void>();

  /** Revision of the last commit; 0 when there was none. */
  get revision(): number {
    return this.#revision;
  }

  /** Revision that watches of the whole store have to reach; 0 if there is none. */
  get watermark(): number {
    return this.#watermark;
  }

  /** Makes watches of the whole store reach a new revision, and returns it. */
  writeWatermark(): number {
    this.#watermark = ++this.#revision;
    this.#wake();
    return this.#watermark;
  }

  /** Raises the revision, as a commit to other keys of an etcd does, which no watch reports. */
  writeElsewhere(): void {
    this.#revision++;
  }

  /** Resolves with the next commit or restored copy. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  /** Returns the document at `key`, as fields; undefined when there is none. */
  get(key: string): Readonly<Record<string, unknown>> | undefined {
    return this.documents.get(key)?.value as Readonly<Record<string, unknown>> | undefined;
  }

  /** Returns the keys that start with `prefix`, by code point. */
  keysBelow(prefix: string): string[] {
    return [...this.documents.keys()].filter((key) => key.startsWith(prefix)).sort(byCodePoint);
  }

  /** Applies all `writes` if all `checks` hold. Faults: usage (limits). */
  commit(checks: readonly Check[], writes: readonly Write[]): CommitResult {
    checkCommitLimits(checks, writes);
    const broken = checks.find(({ key, revision }) =>
      (this.documents.get(key)?.revision ?? 0) !== revision
    );
    if (broken) return { done: false, conflict: broken.key };
    this.#write(writes);
    return { done: true, revision: this.#revision };
  }

  /** Writes `documents` at one revision, as another client would; undefined deletes. No limits. */
  put(documents: Readonly<Record<string, unknown>>): void {
    this.#write(Object.entries(documents).map(([key, value]) => ({ key, value: value as Json })));
  }

  /** Returns what changed below `prefix` after `revision`, if that is still kept. */
  changesAfter(prefix: string, revision: number): WatchBatch {
    // A revision from the future: the content was restored from an older copy.
    const isLost = revision < this.#compacted || revision > this.#revision;
    if (isLost) return { kind: "compacted", revision: this.#revision };
    const changes = this.#history.filter((change) =>
      change.revision > revision && change.key.startsWith(prefix)
    );
    return { kind: "changes", changes, revision: this.#revision };
  }

  /** Forgets the history up to now; the documents stay. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.#revision;
  }

  /** Replaces everything by `documents` at `revision`, as an operator restores an older copy. */
  restore(documents: Readonly<Record<string, unknown>>, revision: number): void {
    this.documents.clear();
    this.#revision = revision - 1;
    this.put(documents);
    this.compact();
  }

  #write(writes: readonly Write[]): void {
    // Deleting what is not there changes nothing and takes no revision.
    const changing = writes.filter(({ key, value }) =>
      value !== undefined || this.documents.has(key)
    );
    if (changing.length === 0) return;
    const revision = ++this.#revision;
    for (const { key, value: given } of changing) {
      const value = given === undefined ? undefined : JSON.parse(JSON.stringify(given)) as Json;
      if (value === undefined) this.documents.delete(key);
      else this.documents.set(key, { key, value, revision });
      this.#history.push({ key, value, revision });
    }
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Orders as UTF-8 bytes do; JavaScript's own order puts U+10000 before U+E000. */
function byCodePoint(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}
