// Work in this namespace or in a sandbox's: the sockets for it, and what is asked over and over.

import { type Libc, Refusal } from "./libc.ts";
import { decodeAddresses, decodeLinks, type KernelAddress, type KernelLink } from "./replies.ts";
import { getAddresses, getLinks } from "./requests.ts";
import {
  checkSandbox,
  type OpenFile,
  openOwnNamespace,
  openSandbox,
  openSocket,
  openSocketIn,
  type SandboxPlace,
} from "./netns_sockets.ts";
import { NetlinkSocket } from "./netlink_socket.ts";

/** A sandbox while it is worked in. */
export interface Inside {
  readonly socket: NetlinkSocket;
  /** Its namespace. */
  readonly file: OpenFile;
}

/** Opens a socket of its own for each piece of work: answers of two never mix, and opening takes 20 µs. */
export function openHere(libc: Libc): NetlinkSocket {
  return new NetlinkSocket(libc, openSocket(libc));
}

/** Does `work` between two looks at the sandbox. Faults: not_found, rather than what `work` says. */
export async function inSandbox<T>(
  libc: Libc,
  place: SandboxPlace,
  work: (inside: Inside) => Promise<T>,
): Promise<T> {
  using own = openOwnNamespace(libc);
  using file = openSandbox(libc, own, place);
  using socket = new NetlinkSocket(libc, openSocketIn(libc, own, { file, netns: place.netns }));
  try {
    return await work({ socket, file });
  } finally {
    checkSandbox(libc, own, place);
  }
}

/** Returns all links of the socket's namespace. Faults: unavailable. */
export async function linksOf(socket: NetlinkSocket): Promise<KernelLink[]> {
  return decodeLinks(await socket.list(getLinks()));
}

/** Returns all IPv4 addresses of the socket's namespace. Faults: unavailable. */
export async function addressesOf(socket: NetlinkSocket): Promise<KernelAddress[]> {
  return decodeAddresses(await socket.list(getAddresses()));
}

/** Returns the link of that name in the socket's namespace. */
export async function findLink(
  socket: NetlinkSocket,
  name: string,
): Promise<KernelLink | undefined> {
  try {
    return decodeLinks(await socket.ask(getLinks(name)))[0];
  } catch (error) {
    if (isRefusal(error, "ENODEV")) return undefined;
    throw error;
  }
}

/** Reports whether `error` is the kernel's refusal for one of the reasons `names`. */
export function isRefusal(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Refusal && error.is(...names);
}
