// Reads of single documents beside the watches: what a watch reports while an answer is on its way may be newer.

import type { Document, Documents } from "../../intent/records.ts";
import type { Entry } from "../../store/store.ts";

/** What documents are read into: a StoreView. */
export interface ReadableView {
  readonly documents: Documents;
  put(key: string, document: Document | undefined): void;
}

/** A read that is on its way. */
interface OpenRead {
  readonly key: string;
  isOvertaken: boolean;
}

/** Reads documents into views. */
export class SingleReads {
  readonly #open = new Set<OpenRead>();

  /** Records that a change of a document was reported. */
  noteChange(key: string): void {
    for (const read of this.#open) if (read.key === key) read.isOvertaken = true;
  }

  /**
   * Makes `view` know the document at `key` as `get` returns it. A change that is reported meanwhile stays, unless an
   * even later write was read; if it was a deletion, that write is reported soon. Faults: those of `get`.
   */
  async readInto(
    view: ReadableView,
    key: string,
    get: () => Promise<Entry | undefined>,
  ): Promise<void> {
    const read: OpenRead = { key, isOvertaken: false };
    this.#open.add(read);
    try {
      const before = view.documents.get(key);
      const entry = await get();
      const known = view.documents.get(key);
      const isOvertaken = read.isOvertaken || known !== before;
      if (isOvertaken && !isLater(entry, known)) return;
      view.put(key, entry && { value: entry.value, revision: entry.revision });
    } finally {
      this.#open.delete(read);
    }
  }
}

function isLater(entry: Entry | undefined, known: Document | undefined): boolean {
  return entry !== undefined && known !== undefined && entry.revision > known.revision;
}
