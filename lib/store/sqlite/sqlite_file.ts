// The SQLite file: checks owner, mode and identity, then opens it. Nothing is written to a file that
// is not a store of ours or that a newer release wrote.

import { DatabaseSync } from "node:sqlite";
import { Fault, oneLine } from "../../util/errors.ts";

/** Schema version that this build reads and writes (`PRAGMA user_version`). */
export const FILE_SCHEMA = 1;

// "k8cn" (`PRAGMA application_id`), so that the database of another program is never taken for a store.
const APPLICATION_ID = 0x6b38636e;

// How long SQLite itself waits for a lock. Short, as that wait blocks the event loop; the rest of the
// caller's limit is waited for outside.
const LOCK_WAIT_MS = 10;

const LOG_LIMIT_BYTES = 8 * 1024 * 1024;

// `changes` is the log that watches read, and the revision counter: its last revision is the
// store's. Keys are compared as bytes, which is the order of their code points.
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

/** Returns the absolute path of the store file `path`, with links in its folder resolved. */
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
 * Opens the store file at `path` (absolute), created with mode 0600 if missing. Faults: unavailable,
 * if folder or file are not private, or the file is not a store or one of a newer release.
 */
export function openDatabase(path: string): DatabaseSync {
  ensurePrivate(path);
  const db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    const isFresh = inOneSnapshot(db, () => checkIdentity(db, path));
    prepareFile(db, path);
    if (isFresh) createSchema(db, path);
    checkIntegrity(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function ensurePrivate(path: string): void {
  checkOwner(path.slice(0, path.lastIndexOf("/")) || "/", "folder", Deno.statSync);
  for (const file of [path, `${path}-wal`, `${path}-shm`]) checkFile(file, file === path);
  try {
    // Never opens an existing file: closing it again would drop the locks that another connection
    // of this process holds (https://sqlite.org/howtocorrupt.html, 2.2).
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function checkFile(path: string, isDatabase: boolean): void {
  let info: Deno.FileInfo;
  try {
    info = checkOwner(path, "file", Deno.lstatSync);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  // SQLite takes a file smaller than its smallest page for an empty one, and would overwrite it.
  if (isDatabase && info.size > 0 && info.size < 512) throw notADatabase(path);
  if (((info.mode ?? 0) & 0o077) !== 0) Deno.chmodSync(path, 0o600);
}

function notADatabase(path: string): Fault {
  return new Fault("unavailable", `store ${path} refused`, {
    why: "it is not a SQLite database",
    fix: "move it away or choose another --store",
  });
}

// Anyone else with write access could replace the store, and so decide what this host does as root.
function checkOwner(
  path: string,
  kind: "folder" | "file",
  stat: (path: string) => Deno.FileInfo,
): Deno.FileInfo {
  const info = stat(path);
  const mine = Deno.uid();
  const refuse = (why: string, fix: string) =>
    new Fault("unavailable", `store ${kind} ${path} refused`, { why, fix });
  if (kind === "file" && !info.isFile) {
    throw refuse("it is not a regular file", "point --store at the file itself");
  }
  if (info.uid !== mine) {
    throw refuse(
      `user ${info.uid} owns it, this is user ${mine}`,
      "chown it to the user that runs k8contivnet",
    );
  }
  if (((info.mode ?? 0) & 0o022) !== 0) {
    throw refuse("other users may write to it", `chmod go-w ${path}`);
  }
  return info;
}

/** Reads in one snapshot: another process may be creating the store between two reads. */
function inOneSnapshot<T>(db: DatabaseSync, read: () => T): T {
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
      fix: "choose another --store",
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
  // A claim that was answered survives a power failure: see sqlite_disk.ts.
  pragmaOf(db, "synchronous = FULL");
  pragmaOf(db, `journal_size_limit = ${LOG_LIMIT_BYTES}`);
}

function createSchema(db: DatabaseSync, path: string): void {
  db.prepare("BEGIN IMMEDIATE").run();
  // Checked again under the lock: another process may have been first.
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

function pragmaOf(db: DatabaseSync, pragma: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0];
}
