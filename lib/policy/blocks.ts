// Address blocks and port ranges as value and mask, which is what a flow can match. Pure.

import { overlap, type Subnet, subnetHolds } from "../ipam/subnets.ts";

/** A value with the mask of the bits that must be equal. */
export interface Masked {
  readonly value: number;
  readonly mask: number;
}

/** Returns the subnets that are `block` without `excepts`, at most 32 for each of these. */
export function blockWithout(block: Subnet, excepts: readonly Subnet[]): Subnet[] {
  if (excepts.some((one) => subnetHolds(one, block))) return [];
  const within = excepts.filter((one) => overlap(one, block));
  if (within.length === 0) return [block];
  const length = block.length + 1;
  const half = 2 ** (32 - length);
  return [{ base: block.base, length }, { base: block.base + half, length }]
    .flatMap((part) => blockWithout(part, within));
}

/** Returns the mask of a prefix length. */
export function maskOf(length: number): number {
  return length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
}

/** Returns the ports `first` to `last` as 16-bit values under masks, at most 30 of them. */
export function portMasks(first: number, last: number): Masked[] {
  const masks: Masked[] = [];
  for (let at = first; at <= last;) {
    let size = 1;
    while (at % (size * 2) === 0 && at + size * 2 - 1 <= last) size *= 2;
    masks.push({ value: at, mask: 0x1_0000 - size });
    at += size;
  }
  return masks;
}
