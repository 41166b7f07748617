// Numbers and addresses as the bytes of a protocol. Pure.

import { joinBytes } from "../../util/join_bytes.ts";

/** Returns the 6 bytes of `02:02:0a:01:01:02`. */
export function macBytes(mac: string): Uint8Array {
  return Uint8Array.from(mac.split(":"), (part) => parseInt(part, 16));
}

/** Returns the 4 bytes of a dotted address. */
export function ipv4Bytes(address: string): Uint8Array {
  return Uint8Array.from(address.split("."), Number);
}

/** Returns the parts joined. */
export function bytes(...parts: readonly Uint8Array[]): Uint8Array {
  return joinBytes(parts);
}

/** Returns a view of just these bytes. */
export function viewOf(all: Uint8Array): DataView {
  return new DataView(all.buffer, all.byteOffset, all.byteLength);
}

/** Returns a number as one byte. */
export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** Returns a number as 2 bytes, in network byte order. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

/** Returns a number as 4 bytes. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >> 16, value >> 8, value);
}

/** Returns a number as 8 bytes. */
export function u64(value: bigint): Uint8Array {
  return bytes(u32(Number(value >> 32n)), u32(Number(value & 0xffff_ffffn)));
}
