// Encodes and decodes rtnetlink messages: <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>. Pure.
// Numbers are little-endian, as on every architecture that Deno is built for.

import { joinBytes } from "../../util/join_bytes.ts";

/** Value of an attribute: a 32-bit number, text, raw bytes, or nested attributes. */
export type AttributeValue = number | string | Uint8Array | readonly Attribute[];

/** One attribute of a message: its type and value. */
export type Attribute = readonly [type: number, value: AttributeValue];

/** A request without its sequence number. */
export interface Request {
  /** Names the operation in a Fault. */
  readonly what: string;
  readonly type: number;
  /** In addition to NLM_F_REQUEST. */
  readonly flags: number;
  /** Fixed part, such as a struct ifinfomsg. */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** One message from the kernel. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Fixed part and attributes. */
  readonly body: Uint8Array;
}

/** The result of a request: `errno` is 0 for success. */
export interface Ack {
  readonly errno: number;
  /** The kernel's message, if it sent one (extended ack). */
  readonly text: string | undefined;
}

/** Flags of a message. */
export const NLM_F = {
  request: 0x1,
  ack: 0x4,
  /** The table changed during the dump, which may be inconsistent. */
  dumpInterrupted: 0x10,
  capped: 0x100,
  ackAttributes: 0x200,
  /** In a get request: all rows. */
  dump: 0x300,
  /** In a new request: replace an existing object. */
  replace: 0x100,
  /** In a new request: fail if the object exists. */
  exclusive: 0x200,
  create: 0x400,
} as const;

/** Types of messages that every netlink family has. */
export const NLMSG = { error: 2, done: 3 } as const;

const HEADER_BYTES = 16;
// Bits of an attribute's type that say how it is packed.
const TYPE_MASK = 0x3fff;
// Attribute of an error message that holds the kernel's text.
const NLMSGERR_ATTR_MSG = 1;

/** Returns the bytes of `requests`, numbered from `sequence` on; `lastFlags` are added to those of the last one. */
export function encodeRequests(
  requests: readonly Request[],
  sequence: number,
  lastFlags: number,
): Uint8Array<ArrayBuffer> {
  const messages = requests.map(({ type, flags, header, attributes }, at) => {
    const body = encodeBody(header, attributes);
    const head = new DataView(new ArrayBuffer(HEADER_BYTES));
    head.setUint32(0, HEADER_BYTES + body.length, true);
    head.setUint16(4, type, true);
    const more = at === requests.length - 1 ? lastFlags : 0;
    head.setUint16(6, NLM_F.request | flags | more, true);
    head.setUint32(8, sequence + at, true);
    return pad(joinBytes([new Uint8Array(head.buffer), body]));
  });
  return joinBytes(messages);
}

/** Returns the bytes of a fixed part, followed by attributes. */
export function encodeBody(
  header: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array<ArrayBuffer> {
  return joinBytes([header, ...attributes.map(encodeAttribute)]);
}

/** Returns the messages in what one read returned; a truncated one at the end is left out. */
export function decodeMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** Returns the attributes that begin at byte `from` of a body, by type. */
export function decodeAttributes(body: Uint8Array, from: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(body);
  for (let at = aligned(from); at + 4 <= body.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) break;
    found.set(view.getUint16(at + 2, true) & TYPE_MASK, body.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** Decodes a message of type error, or of type done, which ends a dump and has the same number. */
export function decodeAck({ type, flags, body }: Message): Ack {
  const errno = body.length < 4 ? 0 : Math.abs(viewOf(body).getInt32(0, true));
  if (type !== NLMSG.error || (flags & NLM_F.ackAttributes) === 0 || body.length < 20) {
    return { errno, text: undefined };
  }
  // The request follows, in full unless a flag says that only its header is repeated.
  const requestBytes = (flags & NLM_F.capped) !== 0
    ? HEADER_BYTES
    : viewOf(body).getUint32(4, true);
  const text = decodeAttributes(body, 4 + requestBytes).get(NLMSGERR_ATTR_MSG);
  return { errno, text: text && decodeText(text) };
}

/** Returns the text of an attribute, up to its terminating zero. */
export function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Returns the 32-bit number in an attribute; undefined if it is shorter. */
export function decodeNumber(bytes: Uint8Array | undefined): number | undefined {
  return bytes && bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : undefined;
}

function encodeAttribute([type, value]: Attribute): Uint8Array {
  const payload = encodeValue(value);
  const head = new DataView(new ArrayBuffer(4));
  head.setUint16(0, 4 + payload.length, true);
  head.setUint16(2, type, true);
  return pad(joinBytes([new Uint8Array(head.buffer), payload]));
}

function encodeValue(value: AttributeValue): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "number") return joinBytes(value.map(encodeAttribute));
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, true);
  return new Uint8Array(view.buffer);
}

/** NLMSG_ALIGN and NLA_ALIGN: everything is aligned to four bytes. */
function aligned(length: number): number {
  return (length + 3) & ~3;
}

function pad(bytes: Uint8Array): Uint8Array {
  return bytes.length % 4 === 0
    ? bytes
    : joinBytes([bytes, new Uint8Array(aligned(bytes.length) - bytes.length)]);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
