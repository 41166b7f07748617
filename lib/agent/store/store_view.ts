// What an agent knows of its store: all of it (whole_view.ts), or what its host needs (scoped_view.ts).

import type { IndexedDocuments } from "../../intent/indexed_documents.ts";
import type { Document, Documents } from "../../intent/records.ts";
import type { Store } from "../../store/store.ts";
import type { OwnCommits } from "./own_commits.ts";
import type { SingleReads } from "./single_reads.ts";
import type { VersionedWrite } from "./versioned_map.ts";

/** How a view reads the store. */
export interface ViewSource {
  readonly store: Pick<Store, "get" | "list" | "count" | "watch" | "watermark">;
  /** Calls the store, and records whether it answered. */
  readonly call: <T>(work: () => Promise<T>) => Promise<T>;
  /** Reads single documents into views. */
  readonly reads: Pick<SingleReads, "readInto">;
  /** Commits of this agent: what they write is known as a whole, or not at all. */
  readonly commits: Pick<OwnCommits, "ended">;
  /** Called with the key of each change, by any client. */
  readonly onChange: (key: string) => void;
  /** Called each time that all is read again because the watch is too slow. */
  readonly onLate: () => void;
}

/** What was known of a store at a moment. */
export interface Known {
  readonly documents: Documents;
  /** Networks (`tenant/network`) whose endpoints and attachments were known; absent: the whole store was. */
  readonly networks?: readonly string[];
}

/** Documents of a store, kept up to date. */
export interface StoreView {
  readonly documents: IndexedDocuments;
  /** Whether it has all documents of the store. */
  readonly isWhole: boolean;
  /** Revision up to which everything is known; of a part of the store: of the last change. */
  readonly revision: number;
  /** Reads all of it. Faults: unavailable, timeout. */
  load(onRead?: (count: number) => void): Promise<void>;
  /** Takes over a write by this agent. */
  merge(write: VersionedWrite): void;
  /** Sets or deletes a document as it was read, whatever is known of it. */
  put(key: string, document: Document | undefined): void;
  /** Makes sure that the intent is known as it was before this call. Faults: unavailable, timeout. */
  catchUp(): Promise<void>;
  /** Makes sure that the change of `key` is known with which a commit conflicted. Faults: unavailable, timeout. */
  learn(key: string): Promise<void>;
  /** Follows the store until `signal` aborts; calls `notify` after each batch with changes of others. */
  follow(signal: AbortSignal, notify: () => void): Promise<void>;
  /** Reports whether the endpoints and attachments of a network (`tenant/network`) are known. */
  knows(network: string): boolean;
  /** Makes sure that what is needed is known. Faults: unavailable, timeout. */
  adjust(): Promise<void>;
  /** Returns the networks of the endpoints that each of `words` names. Faults: unavailable, timeout. */
  networksNamed(words: readonly string[]): Promise<readonly (readonly string[])[]>;
}
