// Bundles of OpenFlow messages: all of them are done, or none. Pure. OpenFlow 1.3 has them as an
// extension of the Open Networking Foundation (EXT-230), whose bodies are those of the "OpenFlow Switch
// Specification 1.4.0", §7.3.9; Open vSwitch takes both.

import { bytes, u16, u32, viewOf } from "../bytes.ts";
import { type Message, message, T } from "../messages.ts";

const ONF = 0x4f4e_4600;
const [CONTROL, ADD_MESSAGE] = [2300, 2301];
const [OPEN, COMMIT, DISCARD] = [0, 4, 6];
const COMMITTED = 5;
const ATOMIC_AND_ORDERED = 0b11;
const HEAD_BYTES = 12;

/** Returns the message that begins the bundle `id`. */
export function openMessage(xid: number, id: number): Uint8Array {
  return control(xid, id, OPEN);
}

/** Returns the message that ends the bundle: what is in it is done. */
export function commitMessage(xid: number, id: number): Uint8Array {
  return control(xid, id, COMMIT);
}

/** Returns the message that ends the bundle: nothing of it is done. */
export function discardMessage(xid: number, id: number): Uint8Array {
  return control(xid, id, DISCARD);
}

/** Returns the message that puts `inner` into the bundle; it gets the same xid. */
export function addMessage(xid: number, id: number, inner: Uint8Array): Uint8Array {
  const whole = message(T.experimenter, xid, ...head(ADD_MESSAGE, id, 0), inner);
  viewOf(whole).setUint32(whole.length - inner.length + 4, xid);
  return whole;
}

/** Reports whether the message says that a bundle was committed. */
export function isCommitted({ type, body }: Message): boolean {
  if (type !== T.experimenter || body.length < 8 + 6) return false;
  const view = viewOf(body);
  return view.getUint32(0) === ONF && view.getUint32(4) === CONTROL &&
    view.getUint16(HEAD_BYTES) === COMMITTED;
}

function control(xid: number, id: number, kind: number): Uint8Array {
  return message(T.experimenter, xid, ...head(CONTROL, id, kind));
}

function head(extension: number, id: number, kind: number): Uint8Array[] {
  return [bytes(u32(ONF), u32(extension), u32(id)), u16(kind), u16(ATOMIC_AND_ORDERED)];
}
