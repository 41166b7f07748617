// Actions of the policy tables as bytes: "OpenFlow Switch Specification 1.3.5", §7.2.4 and 7.2.5, and
// Nicira's own, which ovs-actions(7) explains. Pure. Only what our own flows do is known.

import { bytes, u16, u32, u8 } from "../bytes.ts";
import { applyActions, outputAction, PORT_NORMAL } from "../messages.ts";
import { numberOf, TABLES } from "./flow_words.ts";

/** Instructions, and what kinds of actions are in them, whatever the numbers. */
export interface EncodedActions {
  readonly bytes: Uint8Array;
  readonly form: string;
}

const NICIRA = 0x0000_2320;
const [RESUBMIT_TABLE, CONTROLLER, CONJUNCTION, CT] = [14, 20, 34, 35];
const [MOVE, LOAD] = [6, 7];
const METER_INSTRUCTION = 6;
const SAME_PORT = 0xfff8; // OFPP_IN_PORT in 16 bits
const [NO_RECIRCULATION, COMMIT] = [0xff, 1];
const ACTION_REASON = 1;
const MAX_CLAUSES = 64;
const METERS = 0xffff_0001;

/** A field as Nicira's actions name it: class, number, bytes. */
type Field = readonly [kind: number, field: number, size: number];

const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ["NXM_OF_IP_PROTO", [0, 6, 1]],
  ["NXM_OF_IP_SRC", [0, 7, 4]],
  ["NXM_OF_IP_DST", [0, 8, 4]],
  ["NXM_OF_TCP_SRC", [0, 9, 2]],
  ["NXM_OF_TCP_DST", [0, 10, 2]],
  ["NXM_OF_UDP_SRC", [0, 11, 2]],
  ["NXM_OF_UDP_DST", [0, 12, 2]],
  ["OXM_OF_SCTP_SRC", [0x8000, 17, 2]],
  ["OXM_OF_SCTP_DST", [0x8000, 18, 2]],
  ["NXM_NX_CT_NW_PROTO", [1, 119, 1]],
  ["NXM_NX_CT_NW_SRC", [1, 120, 4]],
  ["NXM_NX_CT_NW_DST", [1, 121, 4]],
  ["NXM_NX_CT_TP_SRC", [1, 124, 2]],
  ["NXM_NX_CT_TP_DST", [1, 125, 2]],
  ...Array.from({ length: 16 }, (_, n): [string, Field] => [`NXM_NX_REG${n}`, [1, n, 4]]),
]);

/** Some bits of a field. */
interface Bits {
  readonly header: Uint8Array;
  readonly first: number;
  readonly count: number;
}

/** Returns the instructions for these actions in their order; undefined where one is not known. */
export function encodeActions(words: readonly string[]): EncodedActions | undefined {
  if (words.length === 1 && words[0] === "drop") return { bytes: new Uint8Array(0), form: "drop" };
  // In OpenFlow 1.3 a meter is an instruction of its own, before the actions.
  const meter = meterOf(words[0] ?? "");
  const rest = meter ? words.slice(1) : words;
  const actions = rest.flatMap((word) => encodeAction(word) ?? []);
  if (actions.length !== rest.length || rest.length === 0) return undefined;
  const kinds = words.map((word) => word.replace(/0x[0-9a-f]+|\d+/g, "#"));
  return {
    bytes: bytes(meter ?? new Uint8Array(0), applyActions(...actions)),
    form: [...new Set(kinds)].join(),
  };
}

function meterOf(word: string): Uint8Array | undefined {
  const id = numberOf(/^meter:(\d+)$/.exec(word)?.[1] ?? "", METERS);
  return id ? bytes(u16(METER_INSTRUCTION), u16(8), u32(id)) : undefined;
}

function encodeAction(text: string): Uint8Array | undefined {
  if (text === "NORMAL") return outputAction(PORT_NORMAL);
  const [, verb = "", rest = ""] = /^([a-z]+)[(:](.*?)\)?$/.exec(text) ?? [];
  switch (verb) {
    case "resubmit":
      return resubmit(rest);
    case "load":
      return load(rest);
    case "move":
      return move(rest);
    case "conjunction":
      return conjunction(rest);
    case "ct":
      return track(rest);
    case "controller":
      return controller(rest);
  }
  return undefined;
}

function nicira(subtype: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 10);
  const padding = -length & 7;
  const head = [u16(0xffff), u16(length + padding), u32(NICIRA), u16(subtype)];
  return bytes(...head, ...parts, new Uint8Array(padding));
}

function resubmit(text: string): Uint8Array | undefined {
  const table = numberOf(/^,(\d+)$/.exec(text)?.[1] ?? "", TABLES);
  if (table === undefined) return undefined;
  return nicira(RESUBMIT_TABLE, u16(SAME_PORT), u8(table), new Uint8Array(3));
}

function load(text: string): Uint8Array | undefined {
  const [value = "", into = ""] = text.split("->");
  const bits = bitsOf(into);
  const number = bits && numberOf(value, 2 ** bits.count);
  if (number === undefined) return undefined;
  return nicira(LOAD, u16(bits!.first << 6 | bits!.count - 1), bits!.header, u32(0), u32(number));
}

function move(text: string): Uint8Array | undefined {
  const [from, into] = text.split("->").map(bitsOf);
  if (!from || !into || from.count !== into.count) return undefined;
  const places = [from.count, from.first, into.first].map(u16);
  return nicira(MOVE, ...places, from.header, into.header);
}

function conjunction(text: string): Uint8Array | undefined {
  const parts = /^(\d+),(\d+)\/(\d+)$/.exec(text)?.slice(1) ?? [];
  const [id, clause, count] = parts.map((part) => numberOf(part, 2 ** 32));
  if (!id || !clause || !count || clause > count || count < 2 || count > MAX_CLAUSES) {
    return undefined;
  }
  return nicira(CONJUNCTION, u8(clause - 1), u8(count), u32(id));
}

/** `commit` or `table=N`, then `zone=FIELD[…]`. */
function track(text: string): Uint8Array | undefined {
  const [, how = "", to, into = ""] = /^(commit|table=(\d+)),zone=(.+)$/.exec(text) ?? [];
  const table = how === "commit" ? NO_RECIRCULATION : numberOf(to ?? "", TABLES);
  const zone = bitsOf(into);
  if (table === undefined || zone?.count !== 16) return undefined;
  const flags = how === "commit" ? COMMIT : 0;
  const where = [zone.header, u16(zone.first << 6 | zone.count - 1)];
  return nicira(CT, u16(flags), ...where, u8(table), new Uint8Array(3), u16(0));
}

function controller(text: string): Uint8Array | undefined {
  const parts = /^max_len=(\d+),id=(\d+)$/.exec(text)?.slice(1) ?? [];
  const [size, id] = parts.map((part) => numberOf(part, 2 ** 16));
  if (size === undefined || id === undefined) return undefined;
  return nicira(CONTROLLER, u16(size), u16(id), u8(ACTION_REASON), u8(0));
}

/** `FIELD[]` or `FIELD[first..last]`. */
function bitsOf(text: string): Bits | undefined {
  const [, name = "", first, last] = /^([A-Z0-9_]+)\[(?:(\d+)\.\.(\d+))?\]$/.exec(text) ?? [];
  const field = FIELDS.get(name);
  if (!field) return undefined;
  const [kind, number, size] = field;
  const [from, to] = [Number(first ?? 0), Number(last ?? 8 * size - 1)];
  if (from > to || to >= 8 * size) return undefined;
  const header = bytes(u16(kind), u8(number << 1), u8(size));
  return { header, first: from, count: to - from + 1 };
}
