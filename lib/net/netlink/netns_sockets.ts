// Sockets in other network namespaces. A socket belongs to the namespace that its thread was in when it was
// created; so the thread enters the sandbox for that one call and returns at once. All of it is one synchronous
// block: nothing else of this process ever runs in a sandbox's namespace.

import { checkIdentity, type Identity, sandboxGone } from "../sandbox_checks.ts";
import { C, call, cString, type Libc, Refusal } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** The netlink family of links, addresses and routes. */
export const NETLINK_ROUTE = 0;

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
    // Only once: the second time, the number may belong to another file.
    if (this.#isOpen) this.#libc.close(this.fd);
    this.#isOpen = false;
  }
}

/** A sandbox by its namespace. */
export interface SandboxPlace {
  readonly netns: string;
  /** Not checked when absent. */
  readonly netnsInode?: number;
}

/** Opens a file. Faults: Refusal. */
export function openFile(libc: Libc, path: string, flags: number): OpenFile {
  const name = cString(path);
  return new OpenFile(
    libc,
    call(libc, `open ${path}`, () => libc.open(name, flags | C.closeOnExec, 0)),
  );
}

/** Opens the namespace that this thread is in. */
export function openOwnNamespace(libc: Libc): OpenFile {
  return openFile(libc, "/proc/thread-self/ns/net", C.readOnly);
}

/** Opens the sandbox's namespace. Faults: not_found, if it is gone, or another one is at its place. */
export function openSandbox(libc: Libc, own: OpenFile, place: SandboxPlace): OpenFile {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer.
  const file = orGone(place.netns, () => openFile(libc, place.netns, C.readOnly | C.nonBlock));
  try {
    check(place, identityOf(libc, file), identityOf(libc, own));
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** Checks that the sandbox is still at its place. Faults: not_found. */
export function checkSandbox(libc: Libc, own: OpenFile, place: SandboxPlace): void {
  check(place, orGone(place.netns, () => identityOf(libc, place.netns)), identityOf(libc, own));
}

/** Creates a netlink socket in this thread's namespace. */
export function openSocket(libc: Libc, protocol: number = NETLINK_ROUTE): OpenFile {
  const type = SOCK_RAW | C.closeOnExec;
  return new OpenFile(
    libc,
    call(libc, "netlink socket", () => libc.socket(AF_NETLINK, type, protocol)),
  );
}

/** Creates a netlink socket in the namespace of `there`. Faults: not_found, if that is not a network namespace. */
export function openSocketIn(libc: Libc, own: OpenFile, there: OpenSandbox): OpenFile {
  return within(libc, own, { there, look: () => openSocket(libc) });
}

// proc_net(5): two lines of heads, and one for each link, "NAME: NUMBERS". A loopback alone has some 350 bytes.
const LINKS_BYTES = 1_024;
const LOOPBACK_ALONE = /^[^\n]*\n[^\n]*\n *lo:[^\n]*\n$/;

/**
 * Reports whether the namespace of `there` has its loopback and nothing else, as a new sandbox has. Unlike a list of
 * links by netlink, this never waits for the kernel's lock of links, and so needs no thread. False where it cannot be
 * seen. Faults: as openSocketIn().
 */
export function hasOnlyLoopback(libc: Libc, own: OpenFile, there: OpenSandbox): boolean {
  const bytes = new Uint8Array(LINKS_BYTES);
  const count = within(libc, own, {
    there,
    look: () => {
      const fd = libc.open(cString("/proc/thread-self/net/dev"), C.readOnly | C.closeOnExec, 0);
      if (fd < 0) return -1;
      using file = new OpenFile(libc, fd);
      return libc.read(file.fd, bytes, BigInt(bytes.length));
    },
  });
  if (count <= 0 || count === bytes.length) return false;
  return LOOPBACK_ALONE.test(new TextDecoder().decode(bytes.subarray(0, count)));
}

/** The open namespace of a sandbox, and its path. */
export interface OpenSandbox {
  readonly file: OpenFile;
  readonly netns: string;
}

/**
 * Does `look`, one synchronous step, in the namespace of `there`. Ends the process if the thread cannot return to `own`:
 * everything it did from then on would be done inside a pod.
 */
function within<T>(
  libc: Libc,
  own: OpenFile,
  { there: { file, netns }, look }: { readonly there: OpenSandbox; readonly look: () => T },
): T {
  enter(libc, file, netns);
  try {
    return look();
  } finally {
    if (libc.setns(own.fd, C.cloneNewNet) !== 0) die(libc);
  }
}

function enter(libc: Libc, { fd }: OpenFile, netns: string): void {
  try {
    call(libc, `enter ${netns}`, () => libc.setns(fd, C.cloneNewNet));
  } catch (error) {
    // A namespace of another kind cannot be distinguished until it is entered.
    const isOther = error instanceof Refusal && error.is("EINVAL");
    throw isOther ? sandboxGone(netns, "it is not a network namespace", error) : error;
  }
}

function die(libc: Libc): void {
  const text = cString("k8contivnet: cannot return from a pod's network namespace; stopping\n");
  libc.write(2, text, BigInt(text.length - 1));
  libc.abort();
}

function check({ netns, netnsInode }: SandboxPlace, found: Identity, own: Identity): void {
  checkIdentity(netns, { found, own, inode: netnsInode });
}

/** Returns the identity of an open file, or of what is at a path. Faults: Refusal. */
function identityOf(libc: Libc, of: OpenFile | string): Identity {
  const [fd, path, flags] = typeof of === "string" ? [C.atCwd, of, 0] : [of.fd, "", C.atEmptyPath];
  // struct statx: unlike struct stat, the same on every architecture.
  const stat = new DataView(new ArrayBuffer(256));
  const [name, room] = [cString(path), new Uint8Array(stat.buffer)];
  call(libc, `stat ${path || "a namespace"}`, () => {
    return libc.statx(fd, name, flags, C.statxInode, room);
  });
  const [major, minor] = [stat.getUint32(136, true), stat.getUint32(140, true)];
  return { dev: major * 2 ** 32 + minor, inode: Number(stat.getBigUint64(32, true)) };
}

/** Returns the inode number of an open namespace. */
export function inodeOf(libc: Libc, file: OpenFile): number {
  return identityOf(libc, file).inode;
}

function orGone<T>(netns: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    // ESRCH: the process ended; ENXIO: a socket's file. EACCES and EPERM are reported as they are.
    if (!(error instanceof Refusal && error.is("ENOENT", "ENOTDIR", "ESRCH", "ENXIO"))) throw error;
    throw sandboxGone(netns, "no such file", error);
  }
}
