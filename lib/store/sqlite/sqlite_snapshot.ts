// All documents of one moment, page by page. A connection of its own keeps the moment (SQLite's WAL mode)
// while others write: reading 200,000 documents takes seconds, and must not stop all other work.

import { DatabaseSync } from "node:sqlite";
import type { Entry } from "../store.ts";
import { entryPages, lastRevision } from "./sqlite_rows.ts";

/** The documents of one moment. */
export interface StoreSnapshot {
  readonly revision: number;
  /** Yields the documents below `prefix` in key order. */
  pages(prefix: string): Iterable<Entry[]>;
  close(): void;
}

/** Opens a snapshot of the store file at `path`, which is open already. Throws what node:sqlite throws. */
export function openSnapshot(path: string): StoreSnapshot {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    db.exec("BEGIN");
    const revision = lastRevision(db);
    return { revision, pages: (prefix) => entryPages(db, prefix), close: () => db.close() };
  } catch (error) {
    db.close();
    throw error;
  }
}
