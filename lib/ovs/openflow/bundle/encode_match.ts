// Matches of the policy tables as OXM fields: "OpenFlow Switch Specification 1.3.5", §7.2.3, and for
// Nicira's fields ovs-fields(7). Pure. Only what our own flows match on is known.

import { bytes, ipv4Bytes, macBytes, u16, u8 } from "../bytes.ts";
import { matchOf } from "../messages.ts";
import { numberOf } from "./flow_words.ts";

/** Bytes, and what kind of match they are, whatever the values. */
export interface EncodedMatch {
  readonly bytes: Uint8Array;
  readonly form: string;
}

interface Value {
  readonly value: Uint8Array;
  readonly mask?: Uint8Array;
}

/** Class, number, and how a value is read. */
type Field = readonly [kind: number, field: number, read: (text: string) => Value | undefined];

const [BASIC, NICIRA] = [0x8000, 1];

// What stands for an ethertype and a protocol in ovs-ofctl's words.
const PROTOCOLS: Readonly<Record<string, readonly [ethertype: number, protocol?: number]>> = {
  ip: [0x0800],
  ipv6: [0x86dd],
  tcp: [0x0800, 6],
  udp: [0x0800, 17],
  sctp: [0x0800, 132],
};
const FIRST_PORT_FIELD: Readonly<Record<string, number>> = { tcp: 13, udp: 15 };
/** Bit that says that there is a tag, before the VLAN's number. */
const HAS_TAG = 0x1000;
const VLANS = 0x1000;

// lib/packets.h of Open vSwitch, as `ovs-ofctl` names them.
const CT_STATES: Readonly<Record<string, number>> = {
  ...{ new: 0x01, est: 0x02, rel: 0x04, rpl: 0x08, inv: 0x10, trk: 0x20 },
};
// RFC 9293.
const TCP_FLAGS: Readonly<Record<string, number>> = {
  ...{ fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10, urg: 0x20 },
};

/** In the order of sending: what a field needs comes before it. */
const ORDER = [
  ...["dl_dst", "dl_vlan", "dl_type", "nw_proto", "nw_src", "nw_dst", "tp_src", "tp_dst"],
  ...["tcp_flags", "conj_id", ...Array.from({ length: 16 }, (_, n) => `reg${n}`)],
  ...["pkt_mark", "ct_state", "ct_nw_proto"],
];

/** Returns the match of these words, each `name=value` or a protocol; undefined where one is not known. */
export function encodeMatch(words: readonly string[]): EncodedMatch | undefined {
  const [protocol, ...others] = words.filter((word) => word in PROTOCOLS);
  if (others.length > 0) return undefined;
  const [ethertype, number] = PROTOCOLS[protocol ?? ""] ?? [];
  const fields = new Map<string, Uint8Array>();
  if (ethertype !== undefined) fields.set("dl_type", oxm([BASIC, 5], { value: u16(ethertype) }));
  if (number !== undefined) fields.set("nw_proto", oxm([BASIC, 10], { value: u8(number) }));
  const forms: string[] = protocol ? [protocol] : [];
  for (const word of words) {
    if (word === protocol) continue;
    const [name = "", text = ""] = word.split("=", 2);
    const [kind, at, read] = fieldOf(name, protocol) ?? [];
    const value = read?.(text);
    if (kind === undefined || at === undefined || !value || fields.has(name)) return undefined;
    fields.set(name, oxm([kind, at], value));
    forms.push(value.mask ? `${name}/` : name);
  }
  const sent = ORDER.flatMap((name) => fields.get(name) ?? []);
  return { bytes: matchOf(bytes(...sent)), form: forms.join() };
}

function fieldOf(name: string, protocol: string | undefined): Field | undefined {
  const isIp = protocol !== undefined && protocol !== "ipv6";
  const register = /^reg(\d+)$/.exec(name)?.[1];
  if (register !== undefined) {
    return ORDER.includes(name) ? [NICIRA, Number(register), word] : undefined;
  }
  if (name === "dl_dst") return [BASIC, 3, mac];
  if (name === "dl_vlan") return [BASIC, 6, vlan];
  if (name === "pkt_mark") return [NICIRA, 33, word];
  if (name === "conj_id") return [NICIRA, 37, word];
  if (name === "ct_state") return [NICIRA, 105, flags(CT_STATES, 4)];
  if (!isIp) return undefined;
  if (name === "nw_src") return [BASIC, 11, address];
  if (name === "nw_dst") return [BASIC, 12, address];
  if (name === "ct_nw_proto") return [NICIRA, 119, (text) => number(text, 1)];
  if (name === "tcp_flags" && protocol === "tcp") return [NICIRA, 34, flags(TCP_FLAGS, 2)];
  const first = FIRST_PORT_FIELD[protocol];
  if (first === undefined) return undefined;
  if (name === "tp_src") return [BASIC, first, (text) => number(text, 2)];
  return name === "tp_dst" ? [BASIC, first + 1, (text) => number(text, 2)] : undefined;
}

function oxm([kind, field]: readonly [number, number], { value, mask }: Value): Uint8Array {
  const hasMask = mask ? 1 : 0;
  const size = value.length * (1 + hasMask);
  return bytes(u16(kind), u8(field << 1 | hasMask), u8(size), value, mask ?? new Uint8Array(0));
}

/** A switch refuses bits of a value that its mask leaves out. */
function masked(value: Uint8Array, mask: Uint8Array | undefined): Value | undefined {
  if (!mask) return { value };
  return value.every((byte, at) => (byte & ~mask[at]!) === 0) ? { value, mask } : undefined;
}

const word = (text: string) => number(text, 4);

/** `value` or `value/mask`, of so many bytes. */
function number(text: string, size: number): Value | undefined {
  const parts = text.split("/");
  const [value, mask] = parts.map((part) => numberOf(part, 2 ** (8 * size)));
  if (parts.length > 2 || value === undefined) return undefined;
  if (parts.length === 1) return { value: sized(value, size) };
  return mask === undefined ? undefined : masked(sized(value, size), sized(mask, size));
}

function sized(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, at) => value >>> (8 * (size - 1 - at)));
}

/** `+name` for a bit that must be there, `-name` for one that must not. */
function flags(bits: Readonly<Record<string, number>>, size: number) {
  return (text: string): Value | undefined => {
    if (!/^(?:[+-][a-z]+)+$/.test(text)) return undefined;
    let [value, mask] = [0, 0];
    for (const [, sign, name = ""] of text.matchAll(/([+-])([a-z]+)/g)) {
      const bit = bits[name];
      if (bit === undefined || (mask & bit) !== 0) return undefined;
      mask |= bit;
      if (sign === "+") value |= bit;
    }
    return { value: sized(value, size), mask: sized(mask, size) };
  };
}

function mac(text: string): Value | undefined {
  const parts = text.split("/");
  const areMacs = parts.every((part) => /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(part));
  const [value, mask] = parts.map(macBytes);
  return areMacs && parts.length <= 2 ? masked(value!, mask) : undefined;
}

function address(text: string): Value | undefined {
  const parts = text.split(".");
  const isDotted = parts.length === 4 &&
    parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
  return isDotted ? { value: ipv4Bytes(text) } : undefined;
}

function vlan(text: string): Value | undefined {
  const tag = numberOf(text, VLANS);
  return tag === undefined ? undefined : { value: u16(HAS_TAG + tag) };
}
