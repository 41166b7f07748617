// IPv4 addresses and subnets as numbers: strict parsing, overlap, and the next free block of a pool.

import { Fault, oneLine } from "../util/errors.ts";
import type { Range } from "./ranges.ts";

/** A block of addresses: `base` is its first one as a number from 0 to 2^32-1, `length` its prefix length. */
export interface Subnet {
  readonly base: number;
  readonly length: number;
}

/** Shortest prefix length of a tenant's pool or a network's subnet. */
export const SHORTEST_PREFIX = 8;

/** Returns a dotted address as a number. Faults: usage. */
export function parseAddress(text: string): number {
  const bytes = text.split(".");
  if (bytes.length === 4 && bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte))) {
    const numbers = bytes.map(Number);
    if (numbers.every((byte) => byte < 256)) {
      return numbers.reduce((sum, byte) => sum * 256 + byte, 0);
    }
  }
  throw new Fault("usage", `"${oneLine(text, 40)}" is not a valid IPv4 address`, {
    why: "expected four numbers from 0 to 255 without leading zeros",
    fix: 'write it as in "11.1.0.7"',
  });
}

/** Returns a number as a dotted address. */
export function addressToText(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Returns how many addresses a subnet of prefix `length` has. */
export function sizeOf(length: number): number {
  return 2 ** (32 - length);
}

/**
 * Returns the subnet of a CIDR such as `11.1.0.0/16`. Host bits are refused, or cut off where
 * `hostBits` is "cut". Faults: usage.
 */
export function parseSubnet(
  text: string,
  { hostBits = "refuse" }: { readonly hostBits?: "refuse" | "cut" } = {},
): Subnet {
  const slash = text.indexOf("/");
  const lengthText = text.slice(slash + 1);
  if (slash < 0 || !/^(0|[1-9]\d?)$/.test(lengthText) || Number(lengthText) > 32) {
    throw new Fault("usage", `"${oneLine(text, 40)}" is not a valid subnet`, {
      why: "expected an address and a prefix length from 0 to 32",
      fix: 'write it as in "11.1.0.0/16"',
    });
  }
  const address = parseAddress(text.slice(0, slash));
  const subnet = subnetAround(address, Number(lengthText));
  if (subnet.base === address || hostBits === "cut") return subnet;
  throw new Fault("usage", `"${text}" is not a valid subnet`, {
    why: "it has host bits",
    fix: `write "${subnetToText(subnet)}"`,
  });
}

/** Returns a subnet as CIDR. */
export function subnetToText({ base, length }: Subnet): string {
  return `${addressToText(base)}/${length}`;
}

/** Returns the subnet of prefix `length` that `address` is in. */
export function subnetAround(address: number, length: number): Subnet {
  return { base: address - address % sizeOf(length), length };
}

/** Returns the highest address of a subnet. */
export function lastOf({ base, length }: Subnet): number {
  return base + sizeOf(length) - 1;
}

/**
 * Returns the addresses of `subnet` that hosts can have. A /31 has two (RFC 3021) and a /32 one; every
 * other subnet keeps its first (network) and last (broadcast) address.
 */
export function hostsIn(subnet: Subnet): Range {
  const edge = subnet.length >= 31 ? 0 : 1;
  return { first: subnet.base + edge, last: lastOf(subnet) - edge };
}

/** Reports whether `address` is in `subnet`. */
export function subnetHas(subnet: Subnet, address: number): boolean {
  return subnet.base <= address && address <= lastOf(subnet);
}

/** Reports whether all of `inner` is in `outer`. */
export function subnetHolds(outer: Subnet, inner: Subnet): boolean {
  return outer.length <= inner.length && subnetHas(outer, inner.base);
}

/** Reports whether two subnets share an address. */
export function overlap(a: Subnet, b: Subnet): boolean {
  return subnetHolds(a, b) || subnetHolds(b, a);
}

/** Returns address `index` of `subnet`, counted from its base. Faults: usage. */
export function hostAt(subnet: Subnet, index: number): number {
  checkPrefix(subnet);
  if (Number.isInteger(index) && index >= 0 && index < sizeOf(subnet.length)) {
    return subnet.base + index;
  }
  throw new Fault("usage", `${subnetToText(subnet)} has no host ${index}`, {
    why: `it has ${sizeOf(subnet.length)} addresses`,
    fix: "choose a lower one",
  });
}

/** Returns the place of `address` in `subnet`, counted from its base. Faults: usage. */
export function hostIndex(subnet: Subnet, address: number): number {
  checkPrefix(subnet);
  if (subnetHas(subnet, address)) return address - subnet.base;
  throw new Fault("usage", `${addressToText(address)} is not in ${subnetToText(subnet)}`);
}

/** Returns block `index` of prefix `length` in `pool`, counted from the pool's base. Faults: usage. */
export function blockAt(pool: Subnet, length: number, index: number): Subnet {
  checkPrefix(pool);
  const base = pool.base + index * sizeOf(length);
  if (length >= pool.length && index >= 0 && base <= lastOf(pool)) return { base, length };
  throw new Fault("usage", `${subnetToText(pool)} has no block ${index} of length ${length}`);
}

/** Returns the blocks of prefix `length` in `pool` that overlap none of `used`, the lowest first. */
export function* freeSubnets(
  pool: Subnet,
  length: number,
  used: Iterable<Subnet>,
): Generator<Subnet, undefined> {
  const size = sizeOf(length);
  const end = lastOf(pool) + 1;
  let base = pool.base;
  for (const one of [...used].sort((a, b) => a.base - b.base)) {
    for (; base + size <= Math.min(one.base, end); base += size) yield { base, length };
    // Blocks are aligned to their own size, so the next candidate is the first one past `one`.
    if (lastOf(one) >= base) base = Math.ceil((lastOf(one) + 1) / size) * size;
  }
  for (; base + size <= end; base += size) yield { base, length };
}

/** Finds the lowest block of prefix `length` in `pool` that overlaps none of `used`. */
export function nextFreeSubnet(
  pool: Subnet,
  length: number,
  used: Iterable<Subnet>,
): Subnet | undefined {
  return freeSubnets(pool, length, used).next().value;
}

function checkPrefix(subnet: Subnet): void {
  if (subnet.length >= SHORTEST_PREFIX) return;
  throw new Fault("usage", `${subnetToText(subnet)} is too large`, {
    why: `the shortest prefix is ${SHORTEST_PREFIX}`,
    fix: "choose a longer one",
  });
}
