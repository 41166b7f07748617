// Blocks of addresses whose texts begin alike, such as `10.1.`: where addresses are keys, those of a block are found
// and counted by their prefix.

import type { AddressPool } from "./addresses.ts";
import { countIds, type Range, rangesWithin } from "./ranges.ts";
import { addressToText, lastOf, sizeOf, type Subnet, subnetAround } from "./subnets.ts";

/** Prefix length of a block: its addresses share their first two or three numbers. */
export type BlockLength = 16 | 24;

/** The addresses that share the text `prefix`, as far as they are in a pool's subnet. */
export interface AddressBlock {
  /** Ends with a dot. */
  readonly prefix: string;
  readonly subnet: Subnet;
  /** How many of its addresses hosts can have. */
  readonly hosts: number;
  /** How many of them the pool can choose from. */
  readonly choices: number;
}

/** Returns the length of the longest blocks that together have all of a subnet, at most 256. */
export function widestBlocks({ length }: Subnet): BlockLength {
  return length >= 16 ? 24 : 16;
}

/** Returns the blocks of `length` in `subnet` from which the pool can choose, in order. */
export function blocksIn(pool: AddressPool, subnet: Subnet, length: BlockLength): AddressBlock[] {
  const blocks: AddressBlock[] = [];
  const first = subnetAround(subnet.base, length).base;
  for (let base = first; base <= lastOf(subnet); base += sizeOf(length)) {
    const block = { base, length };
    const bounds = { first: base, last: lastOf(block) };
    const choices = countWithin(pool.choices, bounds);
    if (choices === 0) continue;
    const prefix = addressToText(base).split(".").slice(0, length / 8).join(".") + ".";
    const hosts = countWithin([pool.hosts], bounds);
    blocks.push({ prefix, subnet: block, hosts, choices });
  }
  return blocks;
}

/** Yields the addresses of a block from which the pool can choose, in order. */
export function* choicesIn({ choices }: AddressPool, { subnet }: AddressBlock): Iterable<number> {
  const bounds = { first: subnet.base, last: lastOf(subnet) };
  for (const { first, last } of rangesWithin(choices, bounds)) {
    for (let address = first; address <= last; address++) yield address;
  }
}

function countWithin(ranges: readonly Range[], bounds: Range): number {
  return countIds(rangesWithin(ranges, bounds));
}
