// Turns errors of SQLite and of the file system into Faults that say what is wrong and how to fix it.

import { Fault, type FaultCode, oneLine } from "../../util/errors.ts";

// https://sqlite.org/rescode.html: the primary codes that an operator can do something about.
const BUSY = 5;
const LOCKED = 6;
const SENTENCES: Readonly<Record<number, readonly [why: string, fix: string]>> = {
  3: ["access is denied", "run as the file's owner"],
  8: ["it cannot be written", "make the file and its folder writable"],
  10: ["the disk reports an I/O error", "check the kernel log and the free space of the disk"],
  11: ["the file is damaged", "move it away and apply the intent again"],
  13: ["the disk is full", "free some space"],
  14: ["the file cannot be opened", "check that its folder exists and is writable"],
  26: ["it is not a SQLite database", "move it away or choose another --store"],
};

// errno names as Deno reports them in `code`.
const ERRNO: Readonly<Record<string, readonly [why: string, fix: string]>> = {
  ENOENT: ["its folder does not exist", "create the folder (mode 0700) or choose another --store"],
  ENOTDIR: ["its folder is not a directory", "choose another --store"],
  ELOOP: ["its folder is a loop of links", "choose another --store"],
  EACCES: ["access is denied", "run as root or as the folder's owner"],
  EPERM: ["access is denied", "run as root or as the folder's owner"],
  EROFS: ["the file system is read-only", "mount it writable or choose another --store"],
  ENOSPC: ["the disk is full", "free some space"],
  EDQUOT: ["the disk quota is used up", "free some space"],
};

/** Reports whether another connection holds the lock: the call may be repeated. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** Returns what SQLite or the file system threw as a Fault that names the store at `path`. */
export function storeFault(path: string, error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = primaryCode(error);
  const known = code === undefined ? ERRNO[errnoName(error)] : SENTENCES[code];
  if (known) return fault("unavailable", path, ...known, error);
  const message = error instanceof Error ? error.message : String(error);
  return fault("failed", path, `"${oneLine(message, 60)}"`, undefined, error);
}

/** Returns the Fault of a call that found the store at `path` locked for `limitMs`. */
export function lockedFault(path: string, limitMs: number, cause: unknown): Fault {
  const why = `another process kept it locked for ${limitMs} ms`;
  return fault("timeout", path, why, "find it with fuser, and try again", cause);
}

/** Returns the Fault of a call that the disk of the store at `path` did not complete in `limitMs`. */
export function slowDiskFault(path: string, limitMs: number): Fault {
  const why = `the disk did not take what was committed in ${limitMs} ms`;
  return fault("timeout", path, why, "check the kernel log and the load of the disk", undefined);
}

/** Returns the Fault of a call to a store that was closed. */
export function closedFault(path: string): Fault {
  return new Fault("unavailable", `store ${path} is closed`);
}

/** Returns the Fault of a call to a store whose file at `path` is no longer the one that was opened. */
export function replacedFault(path: string): Fault {
  return new Fault("unavailable", `store ${path} cannot be used`, {
    why: "its file was removed or replaced while in use",
    fix: "restart k8contivnet",
  });
}

function fault(
  code: FaultCode,
  path: string,
  why: string,
  fix: string | undefined,
  cause: unknown,
): Fault {
  return new Fault(code, `store ${path} cannot be used`, { why, fix, cause });
}

// node:sqlite sets `errcode`, extended in its upper bits, on errors of prepared statements only.
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

function errnoName(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}
