// What is known of a store, in memory: each key's newest write, however often and in which order it is
// told, by a list, a watch or an own commit. Pure.

import { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Entry, Json } from "../../store/store.ts";

/** A write as a list, a watch or an own commit tells it. */
export interface VersionedWrite {
  readonly key: string;
  readonly value: Json | undefined;
  readonly revision: number;
}

/** A copy of documents that only ever moves on. */
export class VersionedMap {
  readonly documents = new IndexedDocuments();
  /** Revision at which a key was deleted: an older write that the watch tells later is not news. */
  readonly #deleted = new Map<string, number>();
  #revision = 0;
  readonly #onSettled = new Set<() => void>();
  /** Is told the key of each change, whoever made it; cheap, as set-ups wait for it. */
  onChange: ((key: string) => void) | undefined;

  /** Revision up to which all is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes a write over unless it is known already; reports whether it was new. */
  note({ key, value, revision }: VersionedWrite): boolean {
    const known = this.documents.get(key)?.revision ?? this.#deleted.get(key) ?? 0;
    if (revision <= known) return false;
    if (value === undefined) {
      this.#delete(key, revision);
    } else {
      this.documents.set(key, { value, revision });
      this.#deleted.delete(key);
    }
    this.onChange?.(key);
    return true;
  }

  /** Makes the copy equal to a list of all that was there at `revision`. */
  take(entries: readonly Entry[], revision: number): void {
    // A store that was restored or made anew counts from a past that is not ours: what was known of
    // the other one says nothing of this one.
    if (revision < this.#revision) this.forget();
    for (const entry of entries) this.note(entry);
    if (this.documents.size > entries.length) this.#deleteAllBut(entries, revision);
    this.settle(revision);
  }

  #deleteAllBut(entries: readonly Entry[], revision: number): void {
    const listed = new Set(entries.map((entry) => entry.key));
    for (const [key, { revision: known }] of [...this.documents]) {
      // Gone by hand, it may have been of the very last revision.
      if (!listed.has(key) && known <= revision) this.#delete(key, revision);
    }
  }

  /** Everything up to `revision` has been told: what was deleted before it needs no memory. */
  settle(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const [key, at] of this.#deleted) if (at <= this.#revision) this.#deleted.delete(key);
    for (const look of this.#onSettled) look();
  }

  /** Resolves with true once all up to `revision` is known, with false after `limitMs`. */
  async reaches(revision: number, limitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => revision <= this.#revision && resolve();
    const timer = setTimeout(resolve, limitMs);
    this.#onSettled.add(look);
    look();
    await promise;
    this.#onSettled.delete(look);
    clearTimeout(timer);
    return revision <= this.#revision;
  }

  /** Forgets all: what was taken for the store's has revisions of who knows when. */
  forget(): void {
    this.documents.clear();
    this.#deleted.clear();
    this.#revision = 0;
  }

  #delete(key: string, revision: number): void {
    this.documents.delete(key);
    this.#deleted.set(key, revision);
  }
}
