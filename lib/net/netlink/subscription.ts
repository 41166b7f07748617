// One netlink socket that receives notifications. Most users ask it from time to time, which costs one system call
// while nothing happens; what has to be known at once is waited for, on a thread of its own.

import { decodeMessages, type Message } from "./encoding.ts";
import { call, type Libc, Refusal } from "./libc.ts";
import { NETLINK_ROUTE, openSocket } from "./netns_sockets.ts";

const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** Linux 4.2: all namespaces that have an id here, which a veth pair between the two assigns. */
const NETLINK_LISTEN_ALL_NSID = 8;
const MSG_DONTWAIT = 0x40;

// A notification is below 2 KB; the kernel returns one, or one batch, at a time.
const BUFFER_BYTES = 32_768;

/** What is subscribed to. */
export interface SubscriptionOptions {
  /** Netlink family. @default NETLINK_ROUTE */
  readonly protocol?: number;
  /** Numbers of the multicast groups. */
  readonly groups: readonly number[];
  /** Also of the namespaces that have a link to this one. @default false */
  readonly allNamespaces?: boolean;
}

/** Notifications that wait in the kernel until they are taken. */
export interface Subscription {
  /** Returns those since the last call, without waiting; `isLost` where there were more than could be held. */
  take(): { readonly messages: readonly Message[]; readonly isLost: boolean };
  /** Number of its file. */
  readonly fd: number;
  /** Ends the subscription. */
  close(): void;
}

const POLLIN = 1;

/** Resolves when one of the subscriptions has something, with true; or after `limitMs`, with false. */
export async function waitForAny(
  libc: Libc,
  subscriptions: readonly Pick<Subscription, "fd">[],
  limitMs: number,
): Promise<boolean> {
  // struct pollfd: the file, what is waited for, what has happened.
  const files = new Int32Array(subscriptions.flatMap(({ fd }) => [fd, POLLIN]));
  return await libc.pollOffThread(files, BigInt(subscriptions.length), limitMs) > 0;
}

/** Subscribes. Faults: Refusal. */
export function subscribe(
  libc: Libc,
  { protocol = NETLINK_ROUTE, groups, allNamespaces = false }: SubscriptionOptions,
): Subscription {
  const socket = openSocket(libc, protocol);
  const set = (option: number, value: number) =>
    call(libc, "subscription to notifications", () => {
      return libc.setsockopt(socket.fd, SOL_NETLINK, option, new Uint8Array([value, 0, 0, 0]), 4);
    });
  try {
    // A socket gets its address with its first request. This one never sends any, and without an address the
    // kernel takes it for the originator of each change, and does not notify it.
    const address = new Uint8Array([AF_NETLINK, ...Array(11).fill(0)]); // struct sockaddr_nl
    call(libc, "subscription to notifications", () => libc.bind(socket.fd, address, 12));
    if (allNamespaces) set(NETLINK_LISTEN_ALL_NSID, 1);
    for (const group of groups) set(NETLINK_ADD_MEMBERSHIP, group);
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
  const buffer = new Uint8Array(new ArrayBuffer(BUFFER_BYTES));
  const next = (): Uint8Array => {
    const size = BigInt(buffer.length);
    const length = call(libc, "read of notifications", () => {
      return libc.recv(socket.fd, buffer, size, MSG_DONTWAIT);
    });
    return buffer.slice(0, length);
  };
  return { take: () => takeAll(next), fd: socket.fd, close: () => socket[Symbol.dispose]() };
}

function takeAll(next: () => Uint8Array): ReturnType<Subscription["take"]> {
  const messages: Message[] = [];
  let isLost = false;
  while (true) {
    try {
      messages.push(...decodeMessages(next()));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.is("EAGAIN")) return { messages, isLost };
      // The socket buffer was full; what it holds follows.
      if (!error.is("ENOBUFS")) throw error;
      isLost = true;
    }
  }
}
