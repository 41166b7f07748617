// Packets as a pcapng file, which tcpdump and Wireshark read: each packet may have a comment, which the older pcap cannot
// have. "PCAP Now Generic (pcapng) Capture File Format", draft-ietf-opsawg-pcapng, section 4. Pure.

import { joinBytes } from "../util/join_bytes.ts";

const [SECTION, INTERFACE, PACKET] = [0x0a0d0d0a, 1, 6];
const BYTE_ORDER = 0x1a2b3c4d;
const ETHERNET = 1;
const COMMENT = 1;
const MOST_COMMENT_BYTES = 1_000;

/** Returns the beginning of a file of Ethernet frames whose times are in microseconds. */
export function pcapngHead(): Uint8Array {
  const section = words(BYTE_ORDER, 1, 0xffff_ffff, 0xffff_ffff); // version 1.0, length unknown
  return joinBytes([block(SECTION, section), block(INTERFACE, words(ETHERNET, 0))]);
}

/** Returns the block of one packet. */
export function pcapngPacket(
  { bytes, atMs, comment }: {
    readonly bytes: Uint8Array;
    /** Milliseconds of the epoch. */
    readonly atMs: number;
    readonly comment: string;
  },
): Uint8Array {
  const micros = BigInt(Math.round(atMs * 1_000));
  const [high, low] = [Number(micros >> 32n), Number(micros & 0xffff_ffffn)];
  const head = words(0, high, low, bytes.length, bytes.length);
  const text = new TextEncoder().encode(comment).subarray(0, MOST_COMMENT_BYTES);
  const option = new Uint8Array(4);
  const view = new DataView(option.buffer);
  view.setUint16(0, COMMENT, true);
  view.setUint16(2, text.length, true);
  return block(PACKET, joinBytes([head, padded(bytes), option, padded(text), words(0)]));
}

function block(type: number, body: Uint8Array): Uint8Array {
  const length = body.length + 12;
  return joinBytes([words(type, length), body, words(length)]);
}

function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, at) => view.setUint32(4 * at, value, true));
  return new Uint8Array(view.buffer);
}

function padded(bytes: Uint8Array): Uint8Array {
  return joinBytes([bytes, new Uint8Array((4 - bytes.length % 4) % 4)]);
}
