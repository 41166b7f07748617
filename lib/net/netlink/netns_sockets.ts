// Sockets in other network namespaces. A socket stays in the namespace that its thread was in when
// it was made; so the thread goes there for that one call and comes back at once. All of it is one
// synchronous block: nothing else of this process ever runs in a sandbox's namespace.

import { checkIdentity, type Identity, sandboxGone } from "../sandbox_checks.ts";
import { C, call, cString, type Libc, Refusal } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;

/** A file descriptor that is closed at the end of its block. */
export class OpenFile implements Disposable {
  readonly fd: number;
  readonly #libc: Libc;
  #isOpen = true;

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.fd = fd;
  }

  [Symbol.dispose](): void {
    // Once only: by the second time the number may be another file's.
    if (this.#isOpen) this.#libc.close(this.fd);
    this.#isOpen = false;
  }
}

/** Which sandbox is meant. */
export interface SandboxPlace {
  readonly netns: string;
  /** Any, when absent. */
  readonly netnsInode?: number;
}

/** Opens a file. Faults: Refusal. */
export function openFile(libc: Libc, path: string, flags: number): OpenFile {
  const name = cString(path);
  return new OpenFile(
    libc,
    call(libc, `opening of ${path}`, () => libc.open(name, flags | C.closeOnExec, 0)),
  );
}

/** Opens the namespace that this thread is in. */
export function openOwnNamespace(libc: Libc): OpenFile {
  return openFile(libc, "/proc/thread-self/ns/net", C.readOnly);
}

/** Opens the sandbox's namespace. Faults: not_found, when it is gone or another. */
export function openSandbox(libc: Libc, own: OpenFile, place: SandboxPlace): OpenFile {
  // Opening a FIFO would wait for a writer.
  const file = orGone(place.netns, () => openFile(libc, place.netns, C.readOnly | C.nonBlock));
  try {
    check(place, identityOf(libc, file), identityOf(libc, own));
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** Faults: not_found, when the sandbox is no longer at its place. */
export function checkSandbox(libc: Libc, own: OpenFile, place: SandboxPlace): void {
  check(place, orGone(place.netns, () => identityOf(libc, place.netns)), identityOf(libc, own));
}

/** Makes a netlink socket in this thread's namespace. */
export function openSocket(libc: Libc): OpenFile {
  const type = SOCK_RAW | C.closeOnExec;
  return new OpenFile(
    libc,
    call(libc, "netlink socket", () => libc.socket(AF_NETLINK, type, NETLINK_ROUTE)),
  );
}

/**
 * Makes a netlink socket in the namespace of `file`. Faults: not_found, when that is none. Ends the
 * process when the thread cannot come back to `own`: all that it would do from there on would be
 * done to a pod.
 */
export function openSocketIn(
  libc: Libc,
  own: OpenFile,
  { file, netns }: { readonly file: OpenFile; readonly netns: string },
): OpenFile {
  enter(libc, file, netns);
  try {
    return openSocket(libc);
  } finally {
    if (libc.setns(own.fd, C.cloneNewNet) !== 0) die(libc);
  }
}

function enter(libc: Libc, { fd }: OpenFile, netns: string): void {
  try {
    call(libc, `entering of ${netns}`, () => libc.setns(fd, C.cloneNewNet));
  } catch (error) {
    // A namespace of another kind looks the same until one enters it.
    const isOther = error instanceof Refusal && error.is("EINVAL");
    throw isOther ? sandboxGone(netns, "no network namespace is there", error) : error;
  }
}

function die(libc: Libc): void {
  const words = cString("k8contivnet: the way back from a pod's namespace is barred; stopping\n");
  libc.write(2, words, BigInt(words.length - 1));
  libc.abort();
}

function check({ netns, netnsInode }: SandboxPlace, found: Identity, own: Identity): void {
  checkIdentity(netns, { found, own, inode: netnsInode });
}

/** Returns what a file, or what is at a path, is. Faults: Refusal. */
function identityOf(libc: Libc, of: OpenFile | string): Identity {
  const [fd, path, flags] = typeof of === "string" ? [C.atCwd, of, 0] : [of.fd, "", C.atEmptyPath];
  // struct statx: the same on every machine, which struct stat is not.
  const stat = new DataView(new ArrayBuffer(256));
  const [name, room] = [cString(path), new Uint8Array(stat.buffer)];
  call(libc, `look at ${path || "a namespace"}`, () => {
    return libc.statx(fd, name, flags, C.statxInode, room);
  });
  const [major, minor] = [stat.getUint32(136, true), stat.getUint32(140, true)];
  return { dev: major * 2 ** 32 + minor, inode: Number(stat.getBigUint64(32, true)) };
}

function orGone<T>(netns: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    // ESRCH: a process that ended; ENXIO: a socket's file; EACCES, EPERM stay what they are.
    if (!(error instanceof Refusal && error.is("ENOENT", "ENOTDIR", "ESRCH", "ENXIO"))) throw error;
    throw sandboxGone(netns, "nothing is there", error);
  }
}
