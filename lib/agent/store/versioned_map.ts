// The known content of a store, or of a part of it: the newest write of each key, however often and in whatever order
// writes arrive from lists, watches and own commits. Pure.

import { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Document } from "../../intent/records.ts";
import type { Entry, Json } from "../../store/store.ts";

/** A write as reported by a list, a watch or an own commit. */
export interface VersionedWrite {
  readonly key: string;
  readonly value: Json | undefined;
  readonly revision: number;
}

/** A part of a store's documents. */
export interface DocumentPart {
  /** The documents of all parts. */
  readonly documents: IndexedDocuments;
  /** Returns the key that a document of the part has among the documents; undefined: it is left out. */
  readonly nameOf: (key: string) => string | undefined;
  /** Reports whether another part has a document, by its key among the documents. */
  readonly isInOther: (key: string) => boolean;
  /** Reports whether a change that somebody made is news to this host; called once for each. */
  readonly isNews: (write: VersionedWrite) => boolean;
  /**
   * Asked before documents are taken away: reports whether the store has not lost all of its content. Waits until it
   * answers, or `signal` aborts.
   */
  readonly isIntact: (signal: AbortSignal) => Promise<boolean>;
  /** Called when changes may have been missed, and all was read again. */
  readonly onReload: () => void;
}

/** Documents of which no older write replaces a newer one. */
export class VersionedMap {
  readonly documents: IndexedDocuments;
  readonly #nameOf: DocumentPart["nameOf"];
  readonly #isInOther: DocumentPart["isInOther"];
  /** Keys of this part's documents, with the revision of its last write of each; undefined: it has all of them. */
  readonly #own: Map<string, number> | undefined;
  /** Revision at which a key was deleted, to ignore older writes that the watch reports later. */
  readonly #deleted = new Map<string, number>();
  #revision = 0;
  readonly #onSettled = new Set<() => void>();
  /** Called with the key of each change, by any client; must be cheap, as set-ups wait for it. */
  onChange: ((key: string) => void) | undefined;

  /** @default part all documents, which nobody else has */
  constructor(part?: Pick<DocumentPart, "documents" | "nameOf" | "isInOther">) {
    this.documents = part?.documents ?? new IndexedDocuments();
    this.#nameOf = part?.nameOf ?? ((key) => key);
    this.#isInOther = part?.isInOther ?? (() => false);
    this.#own = part && new Map();
  }

  /** Reports whether a document among the documents is of this part. */
  has(key: string): boolean {
    return this.#own?.has(key) ?? this.documents.has(key);
  }

  /** Number of this part's documents. */
  get size(): number {
    return (this.#own ?? this.documents).size;
  }

  /** Keys of this part's documents. */
  get keys(): Iterable<string> {
    return (this.#own ?? this.documents).keys();
  }

  /** Revision up to which everything is known. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes over a write unless it is older than what is known; reports whether it was new. */
  merge(write: VersionedWrite): boolean {
    const { value, revision } = write;
    const key = this.#nameOf(write.key);
    if (key === undefined) return false;
    // What one commit deletes and writes is written, under another key of the store.
    const deleted = (this.#deleted.get(key) ?? 0) - (value === undefined ? 0 : 1);
    const known = this.documents.get(key)?.revision ?? Math.max(0, deleted);
    if (value !== undefined && revision >= known) this.#own?.set(key, revision);
    // Also if another part has a newer write: it does not report its deletion here.
    if (value === undefined && (this.#own?.get(key) ?? 0) < revision) this.#own?.delete(key);
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

  /** Sets or deletes a document as it was read, whatever is known of it. */
  put(key: string, document: Document | undefined): void {
    if (document) {
      this.documents.set(key, document);
      this.#own?.set(key, document.revision);
    } else {
      this.documents.delete(key);
      this.#own?.delete(key);
    }
  }

  /** Makes the map equal to a list of all documents at `revision`, which everything that is settled precedes. */
  replaceAll(entries: readonly Entry[], revision: number): void {
    for (const entry of entries) this.merge(entry);
    if (this.#own || this.documents.size > entries.length) this.#deleteAllBut(entries, revision);
    this.settle(revision);
  }

  #deleteAllBut(entries: readonly Entry[], revision: number): void {
    const listed = new Set(entries.map((entry) => this.#nameOf(entry.key)));
    for (const key of [...this.keys]) {
      const known = this.documents.get(key)?.revision ?? 0;
      // A document deleted by hand may be of the last revision.
      if (listed.has(key) || (this.#own?.get(key) ?? known) > revision) continue;
      this.#own?.delete(key);
      if (known <= revision && !this.#isInOther(key)) this.#delete(key, revision);
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
    if (this.#own) { for (const key of this.#own.keys()) this.documents.delete(key); }
    else this.documents.clear();
    this.#reset();
  }

  /** Takes back what a list that has failed has added; what another part has, too, stays. */
  takeBack(): void {
    if (!this.#own) return this.forget();
    for (const key of this.#own.keys()) if (!this.#isInOther(key)) this.documents.delete(key);
    this.#reset();
  }

  #reset(): void {
    this.#own?.clear();
    this.#deleted.clear();
    this.#revision = 0;
  }

  #delete(key: string, revision: number): void {
    this.documents.delete(key);
    this.#own?.delete(key);
    this.#deleted.set(key, revision);
  }
}
