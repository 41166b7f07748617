// Notifications of rtnetlink from all namespaces that this one has a link to, over one socket. It is polled from
// time to time, not waited for: that costs one system call while nothing happens, where listing the links of each
// sandbox costs ten.

import type { LinkEvent, LinkEvents } from "../link_events.ts";
import { bytesToAddress, decodeLinks } from "./replies.ts";
import { call, type Libc, Refusal } from "./libc.ts";
import { openSocket } from "./netns_sockets.ts";
import { AF, IFA, IFLA, RT_TABLE_MAIN, RTA, RTM } from "./constants.ts";
import { decodeAttributes, decodeMessages, decodeText, type Message } from "./encoding.ts";

const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
/** Linux 4.2: all namespaces that have an id here, which a veth pair between the two assigns. */
const NETLINK_LISTEN_ALL_NSID = 8;
/** RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE. */
const GROUPS = [1, 5, 7];
const MSG_DONTWAIT = 0x40;

// A notification is below 2 KB; the kernel returns one at a time.
const BUFFER_BYTES = 16_384;

/** Subscribes. Faults: Refusal. */
export function openEvents(libc: Libc): LinkEvents {
  const socket = openSocket(libc);
  const set = (option: number, value: number) =>
    call(libc, "subscription to link events", () => {
      return libc.setsockopt(socket.fd, SOL_NETLINK, option, new Uint8Array([value, 0, 0, 0]), 4);
    });
  // A socket gets its address with its first request. This one never sends any, and without an address the kernel
  // takes it for the originator of each change, and does not notify it.
  const address = new Uint8Array([AF_NETLINK, ...Array(11).fill(0)]); // struct sockaddr_nl
  call(libc, "subscription to link events", () => libc.bind(socket.fd, address, 12));
  set(NETLINK_LISTEN_ALL_NSID, 1);
  for (const group of GROUPS) set(NETLINK_ADD_MEMBERSHIP, group);
  const buffer = new Uint8Array(new ArrayBuffer(BUFFER_BYTES));
  const next = (): Uint8Array | undefined => {
    const size = BigInt(buffer.length);
    const length = call(libc, "read of link events", () => {
      return libc.recv(socket.fd, buffer, size, MSG_DONTWAIT);
    });
    return buffer.slice(0, length);
  };
  return {
    take: () => takeAll(next),
    close: () => socket[Symbol.dispose](),
  };
}

function takeAll(next: () => Uint8Array | undefined): LinkEvent[] {
  const events: LinkEvent[] = [];
  while (true) {
    try {
      const bytes = next();
      if (bytes) events.push(...decodeEvents(decodeMessages(bytes)));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.is("EAGAIN")) return events;
      // The socket buffer was full; what it holds follows.
      if (!error.is("ENOBUFS")) throw error;
      events.push({ kind: "lost" });
    }
  }
}

/** Returns the events that notifications stand for. Pure. */
export function decodeEvents(messages: readonly Message[]): LinkEvent[] {
  return messages.flatMap((message): LinkEvent[] => {
    const { type, body } = message;
    if (type === RTM.newLink) {
      return decodeLinks([message]).map(({ name, mac, mtu, isUp }) => {
        return { kind: "link", name, mac, mtu, isUp };
      });
    }
    if (type === RTM.deleteLink) {
      const name = decodeText(decodeAttributes(body, 16).get(IFLA.name) ?? new Uint8Array());
      return [{ kind: "gone", name }];
    }
    if (type === RTM.deleteAddress && body[0] === AF.inet) {
      const found = decodeAttributes(body, 8);
      const address = bytesToAddress(found.get(IFA.local) ?? found.get(IFA.address));
      return [{ kind: "address", address }];
    }
    if (type === RTM.deleteRoute) return routeEvents(body);
    return [];
  });
}

function routeEvents(body: Uint8Array): LinkEvent[] {
  const gateway = decodeAttributes(body, 12).get(RTA.gateway);
  const isDefault = body[0] === AF.inet && body[1] === 0 && body[4] === RT_TABLE_MAIN;
  return isDefault && gateway?.length === 4
    ? [{ kind: "route", gateway: bytesToAddress(gateway) }]
    : [];
}
