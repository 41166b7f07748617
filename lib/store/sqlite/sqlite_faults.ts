// What SQLite and the disk below it say when something is wrong, as sentences with a way out.

import { Fault, type FaultCode, oneLine } from "../../util/errors.ts";

// https://sqlite.org/rescode.html: the primary codes that an operator can do something about.
const BUSY = 5;
const LOCKED = 6;
const SENTENCES: Readonly<Record<number, readonly [why: string, fix: string]>> = {
  3: ["access is denied", "run as the file's owner"],
  8: ["it cannot be written", "make the file and its folder writable"],
  10: ["the disk does not do as told", "see the kernel's log and the disk's free space"],
  11: ["the file is damaged", "move it away and apply the intent again"],
  13: ["the disk is full", "free some space"],
  14: ["the file cannot be opened", "see that its folder is there and writable"],
  26: ["it is no SQLite database", "move it away or give another --store"],
};

// errno names as Deno gives them in `code`.
const ERRNO: Readonly<Record<string, readonly [why: string, fix: string]>> = {
  ENOENT: ["its folder is not there", "make the folder (mode 0700) or give another --store"],
  ENOTDIR: ["its folder is no folder", "give another --store"],
  ELOOP: ["its folder is a loop of links", "give another --store"],
  EACCES: ["access is denied", "run as root or as the folder's owner"],
  EPERM: ["access is denied", "run as root or as the folder's owner"],
  EROFS: ["the file system is read-only", "mount it writable or give another --store"],
  ENOSPC: ["the disk is full", "free some space"],
  EDQUOT: ["the disk quota is used up", "free some space"],
};

/** Reports whether another connection holds the lock that was wanted: the call may be repeated. */
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
  const words = error instanceof Error ? error.message : String(error);
  return fault("failed", path, `"${oneLine(words, 60)}"`, undefined, error);
}

/** Returns the Fault of a call that found the store at `path` locked for `limitMs`. */
export function lockedFault(path: string, limitMs: number, cause: unknown): Fault {
  const why = `another process kept it locked for ${limitMs} ms`;
  return fault("timeout", path, why, "see which one with fuser, and try again", cause);
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

// node:sqlite gives `errcode`, extended in its upper bits, on errors of prepared statements only.
function primaryCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode & 0xff : undefined;
}

function errnoName(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "";
}
