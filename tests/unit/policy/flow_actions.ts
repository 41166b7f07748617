// The actions that the flow machine does: on a frame's fields, and with the connection tracker.

import { type Connections, ctFields } from "./connections.ts";
import type { Ending, Fields } from "./flow_machine.ts";
import { LATER, numberOf } from "./flow_words.ts";

/** A ct(). */
export interface Track {
  readonly zone: number;
  readonly table: number;
  readonly isCommit: boolean;
  /** Translates known connections, and new ones as `source` or `target` say. */
  readonly isNat: boolean;
  readonly source?: number;
  readonly target?: number;
  readonly mark?: number;
}

/** Splits a list of actions; commas within brackets belong to one. */
export function partsOf(actions: string): string[] {
  const parts: string[] = [""];
  let depth = 0;
  for (const letter of actions) {
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
    if (letter === "(") depth++;
    if (letter === ")") depth--;
  }
  return parts;
}

/** Returns where an action sends the frame; undefined if it does not. */
export function outputOf(action: string): Ending["out"] {
  if (action === "NORMAL" || action === "IN_PORT") return action;
  const port = /^output:(\d+)$/.exec(action)?.[1];
  return port === undefined ? undefined : Number(port);
}

const ZONE_OF_REG0 = "NXM_NX_REG0[0..15]";

/** Returns a ct(); undefined for any other action. */
export function trackOf(action: string, fields: Fields): Track | undefined {
  const inner = /^ct\((.*)\)$/.exec(action)?.[1];
  if (inner === undefined) return undefined;
  const words = partsOf(inner);
  const find = (pattern: RegExp) =>
    words.map((word) => pattern.exec(word)?.[1]).find((one) => one !== undefined);
  const zone = find(/^zone=(.+)$/);
  const [source, target] = [find(/^nat\(src=(.+)\)$/), find(/^nat\(dst=(.+)\)$/)];
  const mark = find(/^exec\(set_field:(.+)->ct_mark\)$/);
  const known = ["commit", "nat"];
  const unknown = words.find((word) =>
    !known.includes(word) && !/^(zone|table)=|^nat\((src|dst)=|^exec\(set_field:/.test(word)
  );
  if (unknown !== undefined) throw new Error(`unknown part ${unknown} of ${action}`);
  return {
    zone: zone === ZONE_OF_REG0 ? (fields.reg0 ?? 0) & 0xffff : Number(zone),
    table: Number(find(/^table=(\d+)$/)),
    isCommit: words.includes("commit"),
    isNat: words.some((word) => word.startsWith("nat")),
    ...source === undefined ? {} : { source: numberOf(source) },
    ...target === undefined ? {} : { target: numberOf(target) },
    ...mark === undefined ? {} : { mark: Number(mark) },
  };
}

/** Does a ct() on the fragments of a datagram, or on one frame. */
export function trackAll(
  held: readonly (Track & { readonly fields: Record<string, number> })[],
  connections: Connections,
): void {
  const { fields: first, zone, isNat, source, target, mark } = held[0]!;
  const tracked = ctFields(connections, zone, first);
  if (held.some(({ isCommit }) => isCommit) && (tracked.ctState! & 1) === 1) {
    connections.commit(zone, first, {
      ...source === undefined ? {} : { source },
      ...target === undefined ? {} : { target },
      ...mark === undefined ? {} : { mark },
    });
  }
  const translated = isNat ? connections.translate(zone, first) : {};
  for (const { fields } of held) {
    const ports = fields.nwFrag === LATER ? { ctTpSrc: 0, ctTpDst: 0 } : {};
    Object.assign(fields, tracked, translated, ports);
  }
}

/** Fields by the names that actions have for them. */
const NAMES: Readonly<Record<string, string>> = {
  NXM_OF_IP_SRC: "nwSrc",
  NXM_OF_IP_DST: "nwDst",
  NXM_OF_IP_PROTO: "nwProto",
  NXM_OF_TCP_SRC: "tpSrc",
  NXM_OF_TCP_DST: "tpDst",
  NXM_OF_UDP_SRC: "tpSrc",
  NXM_OF_UDP_DST: "tpDst",
  OXM_OF_SCTP_SRC: "tpSrc",
  OXM_OF_SCTP_DST: "tpDst",
  NXM_NX_CT_NW_SRC: "ctNwSrc",
  NXM_NX_CT_NW_DST: "ctNwDst",
  NXM_NX_CT_NW_PROTO: "ctNwProto",
  NXM_NX_CT_TP_DST: "ctTpDst",
  NXM_NX_PKT_MARK: "pktMark",
  NXM_OF_ETH_SRC: "dlSrc",
  NXM_OF_ETH_DST: "dlDst",
  NXM_NX_ARP_SHA: "arpSha",
  NXM_NX_ARP_THA: "arpTha",
  NXM_OF_ARP_SPA: "arpSpa",
  NXM_OF_ARP_TPA: "arpTpa",
  "eth_src": "dlSrc",
  "eth_dst": "dlDst",
  "arp_op": "arpOp",
  "arp_sha": "arpSha",
  "arp_spa": "arpSpa",
};

function fieldOf(written: string): string {
  const name = NAMES[written] ?? /^(?:NXM_NX_)?(REG\d+)$/i.exec(written)?.[1]?.toLowerCase();
  if (name === undefined) throw new Error(`unknown field ${written}`);
  return name;
}

/** Does one action; returns the table that it leads to. */
export function apply(action: string, fields: Record<string, number>): number | undefined {
  const table = /^resubmit\(,(\d+)\)$|^goto_table:(\d+)$/.exec(action);
  if (table) return Number(table[1] ?? table[2]);
  const set = /^set_field:(\S+)->(\w+)$/.exec(action);
  if (set) {
    const number = numberOf(set[1]!);
    if (set[2] === "vlan_vid") setTag(fields, number & 0xfff);
    else fields[fieldOf(set[2]!)] = number;
    return undefined;
  }
  const copied = /^(?:move:(\w+)\[\]|load:(\w+))->(\w+)\[(?:(\d+)\.\.(\d+))?\]$/.exec(action);
  if (copied) {
    const [, from, value, to = "", first = "0", last] = copied;
    const field = fieldOf(to);
    const number = from === undefined ? Number(value) : fields[fieldOf(from)] ?? 0;
    if (last === undefined) fields[field] = number;
    else fields[field] = withBits(fields[field] ?? 0, number, [Number(first), Number(last)]);
    return undefined;
  }
  if (action === "pop_vlan") setTag(fields, undefined);
  else if (action === "dec_ttl") fields.nwTtl = (fields.nwTtl ?? 64) - 1;
  else if (action !== "push_vlan:0x8100") throw new Error(`unknown action ${action}`);
  return undefined;
}

function setTag(fields: Record<string, number>, tag: number | undefined): void {
  fields.vlanTci = tag === undefined ? 0 : 0x1000 | tag;
  fields.dlVlan = tag ?? 0;
}

function withBits(old: number, value: number, [first, last]: [number, number]): number {
  const mask = (2 ** (last - first + 1) - 1) * 2 ** first;
  return ((old & ~mask) | ((value * 2 ** first) & mask)) >>> 0;
}
