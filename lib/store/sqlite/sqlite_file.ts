// The SQLite file: whose it is, whether it is a store of ours, how it is opened. Nothing is written
// to a file that is not ours or that a newer release wrote.

import { DatabaseSync } from "node:sqlite";
import { Fault, oneLine } from "../../util/errors.ts";

/** Schema version that this build reads and writes (`PRAGMA user_version`). */
export const FILE_SCHEMA = 1;

// "k8cn" (`PRAGMA application_id`), so that another program's database is never taken for a store.
const APPLICATION_ID = 0x6b38636e;

// How long SQLite itself waits for a lock. Short, as that wait stops the whole event loop; what is
// left of the caller's limit is waited for outside.
const LOCK_WAIT_MS = 10;

const LOG_LIMIT_BYTES = 8 * 1024 * 1024;

// `changes` is the log that watches read, and the revision counter: its last revision is the
// store's. Keys are compared byte by byte, which is the order of their code points.
const SCHEMA = [
  `CREATE TABLE documents (
    key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, revision INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE changes (
    revision INTEGER NOT NULL, place INTEGER NOT NULL, key TEXT NOT NULL, value TEXT,
    PRIMARY KEY (revision, place)
  ) STRICT, WITHOUT ROWID`,
  `PRAGMA application_id = ${APPLICATION_ID}`,
  `PRAGMA user_version = ${FILE_SCHEMA}`,
];

/** Returns the absolute path that the store file `path` has, links in its folder resolved. */
export function resolveStorePath(path: string): string {
  const cut = path.lastIndexOf("/");
  const name = path.slice(cut + 1);
  if (name === "" || name === "." || name === ".." || path.includes("\0")) {
    throw new Fault("usage", `store path "${oneLine(path, 60)}" names no file`, {
      fix: "write sqlite:/FOLDER/FILE",
    });
  }
  const folder = Deno.realPathSync(cut < 0 ? "." : path.slice(0, cut) || "/");
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}

/**
 * Opens the store file at `path` (absolute), made with mode 0600 if missing. Faults: unavailable,
 * when folder or file are not private, or the file is no store or one of a newer release.
 */
export function openDatabase(path: string): DatabaseSync {
  guardFiles(path);
  const db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    const isFresh = inOneLook(db, () => checkIdentity(db, path));
    prepareFile(db, path);
    if (isFresh) createSchema(db, path);
    checkIntegrity(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function guardFiles(path: string): void {
  guard(path.slice(0, path.lastIndexOf("/")) || "/", "folder", Deno.statSync);
  for (const file of [path, `${path}-wal`, `${path}-shm`]) guardFile(file, file === path);
  try {
    // Never an open of an existing file: closing it again would drop the locks that another
    // connection of this very process holds (https://sqlite.org/howtocorrupt.html, 2.2).
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function guardFile(path: string, isDatabase: boolean): void {
  let info: Deno.FileInfo;
  try {
    info = guard(path, "file", Deno.lstatSync);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  // SQLite takes a file with less than its smallest page for an empty one, and would overwrite it.
  if (isDatabase && info.size > 0 && info.size < 512) throw noDatabase(path);
  if (((info.mode ?? 0) & 0o077) !== 0) Deno.chmodSync(path, 0o600);
}

function noDatabase(path: string): Fault {
  return new Fault("unavailable", `store ${path} refused`, {
    why: "it is no SQLite database",
    fix: "move it away or give another --store",
  });
}

// Whoever else could write here could exchange the store, and with it what this host does as root.
function guard(
  path: string,
  kind: "folder" | "file",
  stat: (path: string) => Deno.FileInfo,
): Deno.FileInfo {
  const info = stat(path);
  const mine = Deno.uid();
  const refuse = (why: string, fix: string) =>
    new Fault("unavailable", `store ${kind} ${path} refused`, { why, fix });
  if (kind === "file" && !info.isFile) {
    throw refuse("it is no regular file", "give --store the file itself");
  }
  if (info.uid !== mine) {
    throw refuse(
      `user ${info.uid} owns it, this is user ${mine}`,
      "give it to the one who runs us",
    );
  }
  if (((info.mode ?? 0) & 0o022) !== 0) {
    throw refuse("others may write to it", `chmod go-w ${path}`);
  }
  return info;
}

/** Reads all at one moment: another process may be making the store between two reads. */
function inOneLook<T>(db: DatabaseSync, read: () => T): T {
  db.prepare("BEGIN").run();
  try {
    return read();
  } finally {
    db.prepare("COMMIT").run();
  }
}

function checkIdentity(db: DatabaseSync, path: string): boolean {
  const id = pragmaOf(db, "application_id");
  const schema = pragmaOf(db, "user_version");
  const tables = db.prepare("SELECT count(*) AS count FROM sqlite_schema").get()?.count;
  if (id === 0 && schema === 0 && tables === 0) return true;
  if (id !== APPLICATION_ID) {
    throw new Fault("unavailable", `store ${path} refused`, {
      why: "it is another program's SQLite database",
      fix: "give another --store",
    });
  }
  if (schema !== FILE_SCHEMA) {
    throw new Fault("unavailable", `store ${path} refused`, {
      why: `it has schema ${schema}, this build knows ${FILE_SCHEMA}`,
      fix: "use the k8contivnet that wrote it",
    });
  }
  return false;
}

function prepareFile(db: DatabaseSync, path: string): void {
  const mode = pragmaOf(db, "journal_mode = WAL");
  if (mode !== "wal") {
    throw new Fault("unavailable", `store ${path} cannot be used`, {
      why: `its file system allows only journal mode "${oneLine(String(mode), 20)}"`,
      fix: "put it on a local disk",
    });
  }
  // An answered claim survives a power cut: each commit is on the disk before it is answered.
  pragmaOf(db, "synchronous = FULL");
  pragmaOf(db, `journal_size_limit = ${LOG_LIMIT_BYTES}`);
}

function createSchema(db: DatabaseSync, path: string): void {
  db.prepare("BEGIN IMMEDIATE").run();
  // Looked at again under the lock: another process may have been first.
  const statements = checkIdentity(db, path) ? SCHEMA : [];
  for (const statement of statements) db.prepare(statement).run();
  db.prepare("COMMIT").run();
}

// 9 ms for 20,000 documents (SQLite 3.53, November 2026), once per start.
function checkIntegrity(db: DatabaseSync, path: string): void {
  const found = pragmaOf(db, "quick_check(1)");
  if (found === "ok") return;
  throw new Fault("unavailable", `store ${path} is damaged`, {
    why: `SQLite says "${oneLine(String(found).replace("*** in database main ***", ""), 40)}"`,
    fix: "move it away and apply the intent again",
  });
}

function pragmaOf(db: DatabaseSync, words: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${words}`).get() ?? {})[0];
}
