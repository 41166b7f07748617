// Actions as OpenFlow 1.3 bytes. Pure. Those of OpenFlow are in the "OpenFlow Switch Specification 1.3.5", §7.2.5;
// experimenter actions, their numbers and those of Open vSwitch's own fields are in its ofp-actions.c
// and meta-flow.h.

import { bytes, ipv4Bytes, macBytes, u16, u32, u8 } from "../transport/bytes.ts";
import type { Action, Field, SetField, Track } from "./actions.ts";

const [OUTPUT, SET_FIELD, EXPERIMENTER] = [0, 25, 0xffff];
const NICIRA = 0x0000_2320;
const [REG_MOVE, RESUBMIT_TABLE, CONNTRACK, NAT] = [6, 14, 35, 36];
const [PORT_IN_PORT, SHORT_IN_PORT] = [0xffff_fff8, 0xfff8];
const COMMIT = 1;
const [NAT_SRC, NAT_DST, NAT_IPV4_MIN] = [1, 2, 1];

// OXM_CLASS_OPENFLOW_BASIC and NXM_CLASS_1.
const [BASIC, NICIRA_CLASS] = [0x8000, 1];
const FIELDS: Readonly<Record<Field, readonly [oxmClass: number, field: number, size: number]>> = {
  ethDst: [BASIC, 3, 6],
  ethSrc: [BASIC, 4, 6],
  arpOp: [BASIC, 21, 2],
  arpSpa: [BASIC, 22, 4],
  arpTpa: [BASIC, 23, 4],
  arpSha: [BASIC, 24, 6],
  arpTha: [BASIC, 25, 6],
  reg0: [NICIRA_CLASS, 0, 4],
  reg10: [NICIRA_CLASS, 10, 4],
  ctMark: [NICIRA_CLASS, 107, 4],
};

/** Returns the bytes of these actions. */
export function actionBytes(actions: readonly Action[]): Uint8Array {
  return bytes(...actions.map(encoded));
}

/** Returns the action that sends a frame out at `port`. */
export function outputAction(port: number): Uint8Array {
  return bytes(u16(OUTPUT), u16(16), u32(port), u16(0), new Uint8Array(6));
}

/** Returns the header of a field without a mask, as matches and actions have it. */
export function fieldHeader(field: Field): Uint8Array {
  const [oxmClass, number, size] = FIELDS[field];
  return bytes(u16(oxmClass), u8(number << 1), u8(size));
}

function encoded(action: Action): Uint8Array {
  if ("set" in action) return setFieldAction(action);
  if ("output" in action) {
    return outputAction(action.output === "IN_PORT" ? PORT_IN_PORT : action.output);
  }
  if ("resubmit" in action) {
    return experimenter(RESUBMIT_TABLE, u16(SHORT_IN_PORT), u8(action.resubmit), new Uint8Array(3));
  }
  if ("track" in action) return trackAction(action.track);
  const [from, to] = action.move;
  const bits = FIELDS[from][2] * 8;
  return experimenter(
    REG_MOVE,
    ...[u16(bits), u16(0), u16(0), fieldHeader(from), fieldHeader(to)],
  );
}

/** Returns the action that sets a field to a value. */
function setFieldAction({ set, value }: SetField): Uint8Array {
  const field = bytes(fieldHeader(set), valueBytes(value, FIELDS[set][2]));
  return padded(bytes(u16(SET_FIELD), u16(4 + field.length + paddingOf(4 + field.length)), field));
}

function valueBytes(value: string | number, size: number): Uint8Array {
  if (typeof value === "number") return size === 2 ? u16(value) : u32(value);
  return size === 6 ? macBytes(value) : ipv4Bytes(value);
}

function trackAction({ zone, table, commit, nat, mark }: Track): Uint8Array {
  return experimenter(
    CONNTRACK,
    ...[u16(commit ? COMMIT : 0), u32(0), u16(zone), u8(table), new Uint8Array(3), u16(0)],
    ...(nat ? [natAction(nat)] : []),
    ...(mark === undefined ? [] : [setFieldAction({ set: "ctMark", value: mark })]),
  );
}

function natAction({ src, dst }: NonNullable<Track["nat"]>): Uint8Array {
  const address = src ?? dst;
  const flags = src !== undefined ? NAT_SRC : dst !== undefined ? NAT_DST : 0;
  const range = address === undefined ? [u16(0)] : [u16(NAT_IPV4_MIN), ipv4Bytes(address)];
  return experimenter(NAT, new Uint8Array(2), u16(flags), ...range);
}

function experimenter(subtype: number, ...rest: readonly Uint8Array[]): Uint8Array {
  const body = bytes(u32(NICIRA), u16(subtype), ...rest);
  const size = 4 + body.length;
  return padded(bytes(u16(EXPERIMENTER), u16(size + paddingOf(size)), body));
}

function paddingOf(size: number): number {
  return -size & 7;
}

function padded(action: Uint8Array): Uint8Array {
  return bytes(action, new Uint8Array(paddingOf(action.length)));
}
