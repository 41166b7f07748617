// What a launcher has: its environment and a pipe of its, below /proc. Deno refuses /proc without -A, and reads a pipe
// in a thread that waits until there is something to read. So this calls libc, and never waits.

import { C, call, cString, type Libc, openLibc, Refusal } from "../../net/netlink/libc.ts";

const READ_AT_ONCE = C.readOnly | C.nonBlock | C.closeOnExec;
const LINK_BYTES = 64;

/** A pipe that a process has open. */
export interface OpenPipe extends Disposable {
  /** Returns a part of what is in it; `later` if there is nothing yet, `end` if its writers have closed it. */
  read(): Uint8Array | "later" | "end";
  /** Reports whether the process still has it open. */
  isHeld(): boolean;
}

/** What is read of a process. */
export interface ProcessFiles {
  /** Returns the environment that it was started with, NUL after each variable, if it has at most `limit` bytes. */
  environment(limit: number): string | undefined;
  /** Opens the pipe that is its file `fd`; undefined if that is something else, as is a FIFO with a name. */
  openPipe(fd: number): OpenPipe | undefined;
}

/** Returns the files of process `pid`. Faults: unavailable, without permission to call libc, or without glibc. */
export function filesOf(pid: number): ProcessFiles {
  const libc = openLibc();
  return {
    environment: (limit) => readStart(libc, `/proc/${pid}/environ`, limit),
    openPipe: (fd) => openPipe(libc, `/proc/${pid}/fd/${fd}`),
  };
}

/** Returns a file of at most `limit` bytes as text; undefined if it is longer, or cannot be read. */
function readStart(libc: Libc, path: string, limit: number): string | undefined {
  const file = libc.open(cString(path), READ_AT_ONCE, 0);
  if (file < 0) return undefined;
  try {
    const bytes = new Uint8Array(limit + 1);
    for (let length = 0; length <= limit;) {
      const count = libc.read(file, bytes.subarray(length), BigInt(limit + 1 - length));
      if (count < 0) return undefined;
      if (count === 0) return new TextDecoder().decode(bytes.subarray(0, length));
      length += count;
    }
    return undefined;
  } finally {
    libc.close(file);
  }
}

function openPipe(libc: Libc, path: string): OpenPipe | undefined {
  const link = linkOf(libc, path);
  if (!link?.startsWith("pipe:[")) return undefined;
  const file = libc.open(cString(path), READ_AT_ONCE, 0);
  if (file < 0) return undefined;
  return {
    read: () => readPart(libc, file),
    isHeld: () => linkOf(libc, path) === link,
    [Symbol.dispose]: () => void libc.close(file),
  };
}

/** As much as a pipe holds by default. */
const part = new Uint8Array(65_536);

function readPart(libc: Libc, file: number): Uint8Array | "later" | "end" {
  try {
    const count = call(libc, "read", () => libc.read(file, part, BigInt(part.length)));
    return count === 0 ? "end" : part.slice(0, count);
  } catch (error) {
    if (error instanceof Refusal && error.is("EAGAIN")) return "later";
    throw error;
  }
}

/** Returns where a link leads; undefined if there is none. */
function linkOf(libc: Libc, path: string): string | undefined {
  const target = new Uint8Array(LINK_BYTES);
  const length = libc.readlink(cString(path), target, BigInt(LINK_BYTES));
  return length < 0 ? undefined : new TextDecoder().decode(target.subarray(0, length));
}
