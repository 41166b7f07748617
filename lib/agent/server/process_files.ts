// What a launcher has: its environment and one of its pipes, below /proc. Deno refuses /proc without -A, and has no way to
// look into a pipe without taking what is in it. So this calls libc, and never waits.

import { C, call, cString, type Libc, openLibc } from "../../net/netlink/libc.ts";

const READ_AT_ONCE = C.readOnly | C.nonBlock | C.closeOnExec;
const LINK_BYTES = 64;

/**
 * What a look into a pipe finds: all that was written, once it is complete. `later`: a writer still has it open.
 * `filling`: the same, and it may have no more room. `full`: it has none. `never`: it is complete and cannot be copied.
 */
export type PipeLook = Uint8Array | "later" | "filling" | "full" | "never";

/** A pipe that a process has open. What is in it stays there, for the process itself. */
export interface OpenPipe extends Disposable {
  /** Looks at what was written to it, up to `limit` bytes. */
  copy(limit: number): PipeLook;
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

/** For all that is read of files: a new one of this size takes 0.1 ms. */
const part = new Uint8Array(65_536);

/** What a pipe holds by default. */
const PIPE_BYTES = 65_536;

/** Returns a file that fits into `part` as text; undefined if it is longer, or cannot be read. */
function readSmall(libc: Libc, path: string): string | undefined {
  const file = libc.open(cString(path), READ_AT_ONCE, 0);
  if (file < 0) return undefined;
  try {
    // The kernel returns all of it at once (proc(5), environ).
    const count = libc.read(file, part, BigInt(part.length));
    return count < 0 || count === part.length
      ? undefined
      : new TextDecoder().decode(part.subarray(0, count));
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
    copy: (limit) => copyOf(libc, file, limit),
    isHeld: () => linkOf(libc, path) === link,
    [Symbol.dispose]: () => void libc.close(file),
  };
}

function copyOf(libc: Libc, file: number, limit: number): PipeLook {
  // Before the count: afterwards nobody writes.
  const isComplete = isHungUp(libc, file);
  const count = bytesIn(libc, file);
  if (isComplete) return count > limit ? "never" : teed(libc, file, count) ?? "never";
  const size = libc.fcntl(file, C.getPipeSize, 0);
  // Of pages that are written in small pieces, more than half may be empty.
  if (count < size / 2) return "later";
  const enlarged = size < limit ? libc.fcntl(file, C.setPipeSize, limit) : size;
  return count < Math.max(size, enlarged) ? "filling" : "full";
}

/** Returns the `count` bytes in a pipe, which stay there; undefined if that is not possible. */
function teed(libc: Libc, file: number, count: number): Uint8Array | undefined {
  if (count === 0) return new Uint8Array();
  const ends = new Int32Array(2);
  call(libc, "pipe2", () => libc.pipe2(new Uint8Array(ends.buffer), C.nonBlock | C.closeOnExec));
  const [from = -1, to = -1] = ends;
  try {
    const size = libc.fcntl(file, C.getPipeSize, 0);
    if (size > PIPE_BYTES) libc.fcntl(to, C.setPipeSize, size);
    const length = call(
      libc,
      "tee",
      () => libc.tee(file, to, BigInt(count), C.spliceNonBlock),
    );
    if (length !== count) return undefined;
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      at += call(libc, "read", () => libc.read(from, bytes.subarray(at), BigInt(count - at)));
    }
    return bytes;
  } finally {
    libc.close(from);
    libc.close(to);
  }
}

/** Reports whether nobody has a pipe open for writing. */
function isHungUp(libc: Libc, file: number): boolean {
  const polled = new DataView(new ArrayBuffer(8));
  polled.setInt32(0, file, true);
  polled.setInt16(4, C.pollIn, true);
  call(libc, "poll", () => libc.poll(new Uint8Array(polled.buffer), 1n, 0));
  return (polled.getInt16(6, true) & C.pollHangUp) !== 0;
}

function bytesIn(libc: Libc, file: number): number {
  const count = new Int32Array(1);
  call(libc, "ioctl", () => libc.ioctl(file, BigInt(C.bytesInPipe), new Uint8Array(count.buffer)));
  return count[0]!;
}

/** Returns where a link leads; undefined if there is none. */
function linkOf(libc: Libc, path: string): string | undefined {
  const target = new Uint8Array(LINK_BYTES);
  const length = libc.readlink(cString(path), target, BigInt(LINK_BYTES));
  return length < 0 ? undefined : new TextDecoder().decode(target.subarray(0, length));
}
