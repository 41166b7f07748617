// The store's two tables through prepared statements: each method is one short transaction.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Change, Check, CommitResult, Entry, Json } from "../store.ts";

/** One commit with its values already as JSON text; `text` null deletes. */
export interface PreparedCommit {
  readonly checks: readonly Check[];
  readonly writes: readonly { readonly key: string; readonly text: string | null }[];
}

/** What a transaction of several commits did; each took one revision of `before + 1` to `after`. */
export interface GroupResult {
  readonly results: readonly CommitResult[];
  readonly before: number;
  readonly after: number;
}

/** One page of the log of changes after a revision. */
export type LogPage =
  | { readonly kind: "compacted"; readonly revision: number }
  | {
    readonly kind: "page";
    readonly changes: readonly Change[];
    /** The log was read up to this revision. */
    readonly revision: number;
    readonly hasMore: boolean;
  };

// More than a commit can contain, so that a page always has room for a whole commit.
const PAGE_ROWS = 200;

/** Reads and writes documents and the log; throws what node:sqlite throws. */
export class Rows {
  readonly #db: DatabaseSync;
  readonly #keep: number;
  readonly #sql: Statements;
  #isLogThere = false;

  /** Works on `db`; the log keeps the last `keep` revisions. */
  constructor(db: DatabaseSync, keep: number) {
    this.#db = db;
    this.#keep = keep;
    this.#sql = prepare(db);
  }

  /** Returns a number that changes when another connection has committed. */
  dataVersion(): number {
    return Number(this.#sql.dataVersion.get()?.data_version);
  }

  /** Returns the document at `key`. */
  get(key: string): Entry | undefined {
    const row = this.#sql.get.get(key);
    // A lone surrogate in a key is replaced on its way to SQLite: the key would find another document.
    return row?.key === key ? toEntry(row) : undefined;
  }

  /** Returns the documents below `prefix` and the revision of the same snapshot. */
  list(prefix: string): { entries: Entry[]; revision: number } {
    return this.#inTransaction("BEGIN", () => ({
      entries: this.#sql.list.all(prefix, prefixEnd(prefix)).map(toEntry),
      revision: this.#log().last,
    }));
  }

  /** Returns how many documents there are below each of `prefixes`. */
  count(prefixes: readonly string[]): number[] {
    return this.#inTransaction(
      "BEGIN",
      () =>
        prefixes.map((prefix) =>
          Number(this.#sql.count.get(prefix, prefixEnd(prefix))?.count ?? 0)
        ),
    );
  }

  /** Returns the changes below `prefix` after revision `after`, never a part of a commit. */
  readLog(prefix: string, after: number): LogPage {
    return this.#inTransaction("BEGIN", () => {
      const { first, last } = this.#log();
      // Older than what is kept, or newer than the last revision, which only another store can have had.
      if (after < first - 1 || after > last) return { kind: "compacted", revision: last };
      const rows = this.#sql.changes.all(after, prefix, prefixEnd(prefix), PAGE_ROWS + 1);
      return toPage(rows.map(toChange), last);
    });
  }

  /**
   * Does `commits` in order in one transaction; the checks of each see those before it. They are in SQLite's log, and
   * not on the disk yet (sqlite_disk.ts).
   */
  commit(commits: readonly PreparedCommit[]): GroupResult {
    const result = this.#inTransaction("BEGIN IMMEDIATE", () => {
      const before = this.#log().last;
      let last = before;
      const results = commits.map((one): CommitResult => {
        const broken = one.checks.find(({ key, revision }) => this.#revisionOf(key) !== revision);
        if (broken) return { done: false, conflict: broken.key };
        if (this.#write(one, last + 1)) last++;
        return { done: true, revision: last };
      });
      this.#sql.compact.run(last - this.#keep);
      return { results, before, after: last };
    });
    // In WAL mode, FULL waits for the disk at each commit, NORMAL does not. The first one takes the log's name in its
    // folder to the disk, too.
    if (!this.#isLogThere) this.#db.exec("PRAGMA synchronous = NORMAL");
    this.#isLogThere = true;
    return result;
  }

  // Reports whether anything changed: deleting nothing takes no revision, as in etcd.
  #write({ writes }: PreparedCommit, revision: number): boolean {
    let place = 0;
    for (const { key, text } of writes) {
      if (text !== null) this.#sql.put.run(key, text, revision);
      else if (this.#sql.remove.run(key).changes === 0) continue;
      this.#sql.log.run(revision, place++, key, text);
    }
    return place > 0;
  }

  #revisionOf(key: string): number {
    return Number(this.#sql.revisionOf.get(key)?.revision ?? 0);
  }

  // Two statements: SQLite answers min() or max() alone from the index, but both together by a full scan.
  #log(): { first: number; last: number } {
    const last = Number(this.#sql.last.get()?.revision ?? 0);
    return { first: Number(this.#sql.first.get()?.revision ?? last + 1), last };
  }

  #inTransaction<T>(begin: "BEGIN" | "BEGIN IMMEDIATE", work: () => T): T {
    this.#sql[begin].run();
    try {
      const result = work();
      this.#sql.end.run();
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#sql.undo.run();
      throw error;
    }
  }
}

// Takes about 10 ms to read.
const LIST_ROWS = 1_000;

/** Yields the documents below `prefix` in key order, page by page. */
export function* entryPages(db: DatabaseSync, prefix: string): Iterable<Entry[]> {
  let page: Entry[] = [];
  for (const row of db.prepare(LIST).iterate(prefix, prefixEnd(prefix))) {
    if (page.push(toEntry(row as Row)) < LIST_ROWS) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** Returns the revision of the last commit. */
export function lastRevision(db: DatabaseSync): number {
  return Number(db.prepare(LAST).get()?.revision ?? 0);
}

const LIST = "SELECT key, value, revision FROM documents WHERE key >= ? AND key < ? ORDER BY key";
const LAST = "SELECT max(revision) AS revision FROM changes";

/** Returns the smallest bound above all keys that start with `prefix`. */
export function prefixEnd(prefix: string): string | Uint8Array {
  const points = [...prefix];
  while (points.at(-1) === "\u{10ffff}") points.pop();
  const last = points.pop()?.codePointAt(0);
  // SQLite sorts any blob behind any text.
  if (last === undefined) return new Uint8Array(0);
  // UTF-8 has no surrogates: U+E000 is next after U+D7FF.
  return points.join("") + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
}

type Row = Record<string, unknown>;
type Statements = ReturnType<typeof prepare>;

function prepare(db: DatabaseSync) {
  const sql = (text: string): StatementSync => db.prepare(text);
  return {
    "BEGIN": sql("BEGIN"),
    "BEGIN IMMEDIATE": sql("BEGIN IMMEDIATE"),
    end: sql("COMMIT"),
    undo: sql("ROLLBACK"),
    dataVersion: sql("PRAGMA data_version"),
    get: sql("SELECT key, value, revision FROM documents WHERE key = ?"),
    revisionOf: sql("SELECT revision FROM documents WHERE key = ?"),
    list: sql(LIST),
    count: sql("SELECT count(*) AS count FROM documents WHERE key >= ? AND key < ?"),
    put: sql(
      `INSERT INTO documents (key, value, revision) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision`,
    ),
    remove: sql("DELETE FROM documents WHERE key = ?"),
    log: sql("INSERT INTO changes (revision, place, key, value) VALUES (?, ?, ?, ?)"),
    changes: sql(
      `SELECT revision, key, value FROM changes WHERE revision > ? AND key >= ? AND key < ?
       ORDER BY revision, place LIMIT ?`,
    ),
    first: sql("SELECT min(revision) AS revision FROM changes"),
    last: sql(LAST),
    compact: sql("DELETE FROM changes WHERE revision <= ?"),
  };
}

function toPage(changes: Change[], last: number): LogPage {
  if (changes.length <= PAGE_ROWS) return { kind: "page", changes, revision: last, hasMore: false };
  // The last commit may continue beyond this page: it is left for the next one.
  const cut = changes.at(-1)?.revision;
  const whole = changes.filter(({ revision }) => revision !== cut);
  return { kind: "page", changes: whole, revision: whole.at(-1)?.revision ?? last, hasMore: true };
}

function toEntry({ key, value, revision }: Row): Entry {
  return { key: String(key), value: parse(value), revision: Number(revision) };
}

function toChange({ key, value, revision }: Row): Change {
  return {
    key: String(key),
    value: value === null ? undefined : parse(value),
    revision: Number(revision),
  };
}

// One value that is not JSON must not hide all others: whatever reads the document reports it.
function parse(text: unknown): Json {
  try {
    return JSON.parse(String(text));
  } catch {
    return String(text);
  }
}
