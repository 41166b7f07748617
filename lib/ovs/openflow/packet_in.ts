// Packets that a flow's `controller` action sends to us, as OpenFlow 1.3 reports them ("OpenFlow Switch
// Specification 1.3.5", §7.4.1). Pure. The packet itself is not parsed: pods wrote it. We use the flow's
// cookie, and the registers, which are in the message's match.

import { type Message, message, T } from "./messages.ts";

/** What is reported of a packet. */
export interface PacketIn {
  /** Cookie of the flow that sent it. */
  readonly cookie: bigint;
  /** Nicira's registers by number; those that are 0 are absent. */
  readonly registers: ReadonlyMap<number, number>;
  /** As much of the Ethernet frame as the action's max_len allows. */
  readonly data: Uint8Array;
}

const NICIRA = 0x0000_2320;
const SET_CONTROLLER_ID = 20; // nicira-ext.h, NXT_SET_CONTROLLER_ID
const REASON_ACTION = 0b010;
const MISS_SEND_LEN = 128;
const [COOKIE_AT, MATCH_AT] = [8, 16];
const [MATCH_HEAD, FIELD_HEAD] = [4, 4];
const REGISTER_CLASS = 1; // NXM_NX_REG0 to NXM_NX_REG15 are its fields 0 to 15
const REGISTERS = 16;

/**
 * Returns the messages after which a connection gets the packets of `controller(id=ID)`, and nothing
 * else: no port changes, no removed flows, and no packet of other ids.
 */
export function subscribePacketsMessages(xid: number, id: number): Uint8Array[] {
  const words = (...values: number[]) => {
    const view = new DataView(new ArrayBuffer(4 * values.length));
    values.forEach((value, at) => view.setUint32(4 * at, value));
    return new Uint8Array(view.buffer);
  };
  return [
    message(T.experimenter, xid, words(NICIRA, SET_CONTROLLER_ID, 0, id)),
    message(T.setAsync, xid, words(REASON_ACTION, REASON_ACTION, 0, 0, 0, 0)),
    // Connections to `<bridge>.mgmt` get no asynchronous message before this is other than zero.
    message(T.setConfig, xid, words(MISS_SEND_LEN)),
  ];
}

/** Returns what a PACKET_IN reports; undefined for any other message, and for a malformed one. */
export function packetInOf({ type, body }: Message): PacketIn | undefined {
  if (type !== T.packetIn || body.length < MATCH_AT + MATCH_HEAD) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [kind, size] = [view.getUint16(MATCH_AT), view.getUint16(MATCH_AT + 2)];
  const end = MATCH_AT + size;
  if (kind !== 1 || size < MATCH_HEAD || end > body.length) return undefined;
  const registers = new Map<number, number>();
  for (let at = MATCH_AT + MATCH_HEAD; at < end;) {
    if (at + FIELD_HEAD > end) return undefined;
    const length = view.getUint8(at + 3);
    if (at + FIELD_HEAD + length > end) return undefined;
    const [field, isMasked] = [view.getUint8(at + 2) >> 1, (view.getUint8(at + 2) & 1) === 1];
    const isRegister = view.getUint16(at) === REGISTER_CLASS && field < REGISTERS;
    if (isRegister && !isMasked && length === 4) {
      registers.set(field, view.getUint32(at + FIELD_HEAD));
    }
    at += FIELD_HEAD + length;
  }
  // The match is padded to 8 bytes; two more bytes align what follows the frame's Ethernet header.
  const data = body.subarray(MATCH_AT + Math.ceil(size / 8) * 8 + 2);
  return { cookie: view.getBigUint64(COOKIE_AT), registers, data };
}
