// Notifications about the host's own stack: one link's state, addresses, routes and settings, and one table of
// nftables. Most of what the kernel reports is about other links and tables.

import type { StackEvents } from "../link_events.ts";
import { IFA, IFLA, NDA, NETCONFA, RT_TABLE_MAIN, RTM, RTNLGRP } from "./constants.ts";
import { decodeAttributes, decodeNumber, decodeText, type Message } from "./encoding.ts";
import type { Libc } from "./libc.ts";
import { bytesToAddress } from "./replies.ts";
import { subscribe, waitForAny } from "./subscription.ts";

// <linux/netlink.h>, <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
const NETLINK_NETFILTER = 12;
const NFNLGRP_NFTABLES = 7;
const NFNL_SUBSYS_NFTABLES = 10;
/** Attribute of all messages about tables, chains, rules, sets and elements. */
const NFTA_TABLE = 1;
const NFT_MSG_NEWGEN = 15;
/** Settings of all links. */
const NETCONFA_IFINDEX_ALL = 0xffff_ffff;

/** What the events are about. */
export interface StackNames {
  readonly device: string;
  /** Bare IPv4 address of the next hop of its routes. */
  readonly nextHop: string;
  /** Table of nftables; others of ours have more behind a hyphen. */
  readonly table: string;
}

/** Subscribes. Faults: Refusal. */
export function openStackEvents(libc: Libc, names: StackNames): StackEvents {
  const { link, neighbour, address, route, netconf } = RTNLGRP;
  const stack = subscribe(libc, { groups: [link, neighbour, address, route, netconf] });
  const filter = subscribe(libc, { protocol: NETLINK_NETFILTER, groups: [NFNLGRP_NFTABLES] });
  return {
    take: () => {
      const [one, other] = [stack.take(), filter.take()];
      return one.isLost || other.isLost ||
        one.messages.some((message) => isOfStack(message, names)) ||
        other.messages.some((message) => isOfTable(message, names.table));
    },
    wait: (limitMs) => waitForAny(libc, [stack, filter], limitMs),
    close: () => {
      stack.close();
      filter.close();
    },
  };
}

/** Reports whether a notification of rtnetlink may be about the link, or about a route in its way. Pure. */
export function isOfStack({ type, body }: Message, { device, nextHop }: StackNames): boolean {
  const attributes = (from: number) => decodeAttributes(body, from);
  switch (type) {
    case RTM.newLink:
    case RTM.deleteLink:
      return textOf(attributes(16).get(IFLA.name)) === device;
    case RTM.newAddress:
    case RTM.deleteAddress:
      return textOf(attributes(8).get(IFA.label)) === device;
    case RTM.newNeighbour:
    case RTM.deleteNeighbour:
      return bytesToAddress(attributes(12).get(NDA.destination)) === nextHop;
    case RTM.newRoute:
    case RTM.deleteRoute:
      return body[4] === RT_TABLE_MAIN; // any may be in the way of ours, or no longer
    case RTM.newNetconf:
      return decodeNumber(attributes(4).get(NETCONFA.linkIndex)) === NETCONFA_IFINDEX_ALL;
    default:
      return false;
  }
}

/** Reports whether a notification of nftables is about that table, or one whose name begins with it. Pure. */
export function isOfTable({ type, body }: Message, table: string): boolean {
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || (type & 0xff) === NFT_MSG_NEWGEN) return false;
  const name = textOf(decodeAttributes(body, 4).get(NFTA_TABLE));
  return name === table || name.startsWith(`${table}-`);
}

function textOf(bytes: Uint8Array | undefined): string {
  return decodeText(bytes ?? new Uint8Array());
}
