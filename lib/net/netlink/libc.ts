// The few libc functions that links need and Deno does not offer, with `errno` as an error.

import { hooked, type Plain } from "../../util/fault_hooks.ts";
import { Fault } from "../../util/errors.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // These return a long; what is read, sent and received here fits its lower half.
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  // Returns only if it fails. The first `0` of a list of pointers ends it.
  execvp: { parameters: ["buffer", "buffer"], result: "i32" },
  // Returns the handler of before, a pointer; SIG_DFL is 0.
  signal: { parameters: ["i32", "usize"], result: "usize" },
  abort: { parameters: [], result: "void" },
  sendOffThread: {
    name: "send",
    parameters: ["i32", "buffer", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  pollOffThread: {
    name: "poll",
    parameters: ["buffer", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  errnoPlace: { name: "__errno_location", parameters: [], result: "pointer" },
} as const;

/** Functions of libc by name. Those off thread run on one of their own. */
export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Constants of <fcntl.h>, <sched.h>, <sys/stat.h>; the same on every machine Deno is built for. */
export const C = {
  readOnly: 0o0,
  writeOnly: 0o1,
  nonBlock: 0o4000,
  closeOnExec: 0o2000000,
  cloneNewNet: 0x40000000,
  atCwd: -100,
  atEmptyPath: 0x1000,
  statxInode: 0x100,
} as const;

/** Names of the errno values that occur here. */
export const ERRNO: ReadonlyMap<number, string> = new Map([
  [1, "EPERM"],
  [2, "ENOENT"],
  [3, "ESRCH"],
  [4, "EINTR"],
  [6, "ENXIO"],
  [9, "EBADF"],
  [11, "EAGAIN"],
  [12, "ENOMEM"],
  [13, "EACCES"],
  [16, "EBUSY"],
  [17, "EEXIST"],
  [19, "ENODEV"],
  [20, "ENOTDIR"],
  [22, "EINVAL"],
  [23, "ENFILE"],
  [24, "EMFILE"],
  [28, "ENOSPC"],
  [30, "EROFS"],
  [34, "ERANGE"],
  [40, "ELOOP"],
  [95, "EOPNOTSUPP"],
  [97, "EAFNOSUPPORT"],
  [99, "EADDRNOTAVAIL"],
  [101, "ENETUNREACH"],
  [105, "ENOBUFS"],
  [107, "ENOTCONN"],
]);

// Those on this thread never block; a wait for notifications has a limit of its own.
const AT_ONCE = Object.keys(SYMBOLS).filter((name) => name !== "sendOffThread") as Plain<Libc>[];

const EINTR = 4;
let opened: Libc | undefined;

/** Returns the functions of libc, which stays open. Faults: unavailable, without permission or without glibc. */
export function openLibc(): Libc {
  try {
    opened ??= hooked("netlink", Deno.dlopen("libc.so.6", SYMBOLS).symbols, AT_ONCE);
    return opened;
  } catch (cause) {
    throw new Fault("unavailable", "libc.so.6 cannot be called", {
      why: cause instanceof Error ? cause.message : String(cause),
      fix: "run with --allow-ffi on glibc, or with the link driver ip",
      cause,
    });
  }
}

/** Reports whether libc may and can be called. */
export function hasLibc(): boolean {
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return false;
  try {
    openLibc();
    return true;
  } catch {
    return false;
  }
}

/** A system call or netlink request that the kernel refused. */
export class Refusal extends Fault {
  /** The reason, a value of <errno.h>. */
  readonly errno: number;

  constructor(what: string, errno: number, kernelMessage?: string) {
    const name = ERRNO.get(errno) ?? `errno ${errno}`;
    const isDenied = name === "EPERM" || name === "EACCES";
    // Temporary: other files will be closed.
    const isFull = name === "EMFILE" || name === "ENFILE";
    super(isFull ? "unavailable" : "failed", `${what} refused`, {
      why: kernelMessage ? `${name}, "${kernelMessage}"` : name,
      fix: isDenied
        ? "run as root"
        : isFull
        ? "raise the limit of open files (ulimit -n)"
        : undefined,
    });
    this.errno = errno;
  }

  /** Reports whether the reason is one of `names`, such as `ENOENT`. */
  is(...names: readonly string[]): boolean {
    return names.includes(ERRNO.get(this.errno) ?? "");
  }
}

/**
 * Returns the result of `call`, which is repeated while signals interrupt it. Faults: Refusal, if the result is
 * negative. Nothing may run between the call and the read of `errno`, which belongs to the thread's last call.
 */
export function call(libc: Libc, what: string, call: () => number): number {
  while (true) {
    const result = call();
    if (result >= 0) return result;
    const errno = errnoOf(libc);
    if (errno !== EINTR) throw new Refusal(what, errno);
  }
}

/** Returns `text` as a C string, with a terminating zero. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

function errnoOf(libc: Libc): number {
  const place = libc.errnoPlace();
  return place === null ? 0 : new Deno.UnsafePointerView(place).getInt32();
}
