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
  /** Returns the environment that it was started with, NUL after each variable; undefined above 64 KiB. */
  environment(): string | undefined;
  /** Opens the pipe that is its file `fd`; undefined if that is something else, as is a FIFO with a name. */
  openPipe(fd: number): OpenPipe | undefined;
}

/** Returns the files of process `pid`. Faults: unavailable, without permission to call libc, or without glibc. */
export function filesOf(pid: number): ProcessFiles {
  const libc = openLibc();
  return {
    environment: () => readSmall(libc, `/proc/${pid}/environ`),
    openPipe: (fd) => openPipe(libc, `/proc/${pid}/fd/${fd}`),
  };
}

/** For all that is read: a new one of this size takes 0.1 ms. As much as a pipe holds by default. */
const part = new Uint8Array(65_536);

/** Returns a file that fits into `part` as text; undefined if it is longer, or cannot be read. */
function readSmall(libc: Libc, path: string): string | undefined {
  const file = libc.open(cString(path), READ_AT_ONCE, 0);
  if (file < 0) return undefined;
  try {
    for (let length = 0; length < part.length;) {
      const count = libc.read(file, part.subarray(length), BigInt(part.length - length));
      if (count < 0) return undefined;
      if (count === 0) return new TextDecoder().decode(part.subarray(0, length));
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
