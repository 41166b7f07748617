// Messages of rtnetlink as bytes: <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>. Pure.
// Numbers are little-endian, as on every machine that Deno is built for.

/** Value of an attribute: 32 bits, text, bytes as they are, or attributes within. */
export type AttributeValue = number | string | Uint8Array | readonly Attribute[];

/** One attribute of a message: its type and value. */
export type Attribute = readonly [type: number, value: AttributeValue];

/** What is asked of the kernel, but for the sequence number. */
export interface Request {
  /** Names what is being done, for a Fault's sentence. */
  readonly what: string;
  readonly type: number;
  /** Besides REQUEST. */
  readonly flags: number;
  /** Fixed part, such as a struct ifinfomsg. */
  readonly header: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** One message of the kernel's. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Fixed part and attributes. */
  readonly body: Uint8Array;
}

/** How the kernel took a request: `errno` is 0 when it did what was asked. */
export interface Verdict {
  readonly errno: number;
  /** The kernel's own words, where it has any. */
  readonly words: string | undefined;
}

/** Flags of a message. */
export const NLM_F = {
  request: 0x1,
  ack: 0x4,
  /** The table changed while it was being told: what was told may not be true. */
  dumpInterrupted: 0x10,
  capped: 0x100,
  ackAttributes: 0x200,
  /** Of a question: all rows. */
  dump: 0x300,
  /** Of a new thing: takes the place of the same one. */
  replace: 0x100,
  /** Of a new thing: must not be there. */
  exclusive: 0x200,
  create: 0x400,
} as const;

/** Types of messages that every netlink family has. */
export const NLMSG = { error: 2, done: 3 } as const;

const HEADER_BYTES = 16;
// Bits of an attribute's type that say how it is packed.
const TYPE_MASK = 0x3fff;
// Attribute of an error message that holds the kernel's words.
const NLMSGERR_ATTR_MSG = 1;

/** Returns the bytes of `requests`, numbered from `sequence` on; `last` is or-ed to the last one's flags. */
export function encodeRequests(
  requests: readonly Request[],
  sequence: number,
  last: number,
): Uint8Array<ArrayBuffer> {
  const messages = requests.map(({ type, flags, header, attributes }, at) => {
    const body = encodeBody(header, attributes);
    const head = new DataView(new ArrayBuffer(HEADER_BYTES));
    head.setUint32(0, HEADER_BYTES + body.length, true);
    head.setUint16(4, type, true);
    const more = at === requests.length - 1 ? last : 0;
    head.setUint16(6, NLM_F.request | flags | more, true);
    head.setUint32(8, sequence + at, true);
    return pad(concat([new Uint8Array(head.buffer), body]));
  });
  return concat(messages);
}

/** Returns the bytes of a fixed part with attributes after it. */
export function encodeBody(
  header: Uint8Array,
  attributes: readonly Attribute[],
): Uint8Array<ArrayBuffer> {
  return concat([header, ...attributes.map(encodeAttribute)]);
}

/** Returns the messages in one answer of the kernel's; what is cut off at its end is left out. */
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

/** Returns the attributes from byte `from` of a body on, by type. */
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

/** Reads a message of type error, or one of type done, which ends a list with the same number. */
export function decodeVerdict({ type, flags, body }: Message): Verdict {
  const errno = body.length < 4 ? 0 : Math.abs(viewOf(body).getInt32(0, true));
  if (type !== NLMSG.error || (flags & NLM_F.ackAttributes) === 0 || body.length < 20) {
    return { errno, words: undefined };
  }
  // The request follows, whole unless it is said to be cut down to its header.
  const asked = (flags & NLM_F.capped) !== 0 ? HEADER_BYTES : viewOf(body).getUint32(4, true);
  const words = decodeAttributes(body, 4 + asked).get(NLMSGERR_ATTR_MSG);
  return { errno, words: words && decodeText(words) };
}

/** Returns the text of an attribute, up to its closing zero. */
export function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Returns the number of 32 bits in an attribute; undefined where it has not as many. */
export function decodeNumber(bytes: Uint8Array | undefined): number | undefined {
  return bytes && bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : undefined;
}

function encodeAttribute([type, value]: Attribute): Uint8Array {
  const payload = encodeValue(value);
  const head = new DataView(new ArrayBuffer(4));
  head.setUint16(0, 4 + payload.length, true);
  head.setUint16(2, type, true);
  return pad(concat([new Uint8Array(head.buffer), payload]));
}

function encodeValue(value: AttributeValue): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "number") return concat(value.map(encodeAttribute));
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, true);
  return new Uint8Array(view.buffer);
}

/** NLMSG_ALIGN and NLA_ALIGN: everything begins at a multiple of four. */
function aligned(length: number): number {
  return (length + 3) & ~3;
}

function pad(bytes: Uint8Array): Uint8Array {
  return bytes.length % 4 === 0
    ? bytes
    : concat([bytes, new Uint8Array(aligned(bytes.length) - bytes.length)]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    new ArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
