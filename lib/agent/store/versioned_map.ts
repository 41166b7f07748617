// The known content of a store: the newest write of each key, however often and in whatever order writes
// arrive from lists, watches and own commits. Pure.

import { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Entry, Json } from "../../store/store.ts";

/** A write as reported by a list, a watch or an own commit. */
export interface VersionedWrite {
  readonly key: string;
  readonly value: Json | undefined;
  readonly revision: number;
}

/** Documents of which no older write replaces a newer one. */
export class VersionedMap {
  readonly documents = new IndexedDocuments();
  /** Revision at which a key was deleted, to ignore older writes that the watch reports later. */
  readonly #deleted = new Map<string, number>();
  #revision = 0;
  readonly #onSettled = new Set<() => void>();
  /** Called with the key of each change, by any client; must be cheap, as set-ups wait for it. */
  onChange: ((key: string) => void) | undefined;

  /** Revision up to which everything is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes over a write unless it is older than what is known; reports whether it was new. */
  merge({ key, value, revision }: VersionedWrite): boolean {
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

  /** Makes the map equal to a list of all documents at `revision`, which everything that is settled precedes. */
  replaceAll(entries: readonly Entry[], revision: number): void {
    for (const entry of entries) this.merge(entry);
    if (this.documents.size > entries.length) this.#deleteAllBut(entries, revision);
    this.settle(revision);
  }

  #deleteAllBut(entries: readonly Entry[], revision: number): void {
    const listed = new Set(entries.map((entry) => entry.key));
    for (const [key, { revision: known }] of [...this.documents]) {
      // A document deleted by hand may be of the last revision.
      if (!listed.has(key) && known <= revision) this.#delete(key, revision);
    }
  }

  /** Records that everything up to `revision` is known: earlier deletions need not be remembered. */
  settle(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const [key, at] of this.#deleted) if (at <= this.#revision) this.#deleted.delete(key);
    for (const check of this.#onSettled) check();
  }

  /** Resolves with true once everything up to `revision` is known, with false after `limitMs`. */
  async reaches(revision: number, limitMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => revision <= this.#revision && resolve();
    const timer = setTimeout(resolve, limitMs);
    this.#onSettled.add(check);
    check();
    await promise;
    this.#onSettled.delete(check);
    clearTimeout(timer);
    return revision <= this.#revision;
  }

  /** Forgets everything: the known revisions are not those of the store. */
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
