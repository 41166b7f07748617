// The address pool of a network: which addresses of its subnet may be allocated, and the next free one.

import { Fault, oneLine } from "../util/errors.ts";
import { countIds, freeIds, lowestFreeId, mergeRanges, type Range, rangesHave } from "./ranges.ts";
import {
  addressToText,
  hostsIn,
  lastOf,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetHas,
  subnetToText,
} from "./subnets.ts";

/** What a pool is made from. */
export interface PoolParts {
  /** `tenant/network`, for messages. */
  readonly name: string;
  readonly subnet: Subnet;
  readonly gateway?: number | undefined;
  /** Addresses that are never allocated. */
  readonly reserve?: readonly Range[];
  /** The only addresses to choose from; fixed addresses may be outside of it. */
  readonly allocRange?: Range | undefined;
}

/** The addresses of a network that may be allocated. */
export interface AddressPool extends PoolParts {
  /** Usable hosts: without network and broadcast address. */
  readonly hosts: Range;
  /** Addresses that the pool chooses from: sorted ranges without gateway and reserve. */
  readonly choices: readonly Range[];
}

/** Returns the pool of a network. */
export function createPool(parts: PoolParts): AddressPool {
  const { subnet, gateway, reserve = [], allocRange } = parts;
  const hosts = hostsIn(subnet);
  const kept = mergeRanges([
    ...reserve,
    ...(gateway === undefined ? [] : [{ first: gateway, last: gateway }]),
  ]);
  const bounds = allocRange ? intersect(hosts, allocRange) : hosts;
  return { ...parts, hosts, choices: subtract(bounds, kept) };
}

/** Returns how many addresses the pool can choose from. */
export function poolSize({ choices }: AddressPool): number {
  return countIds(choices);
}

/** Returns why `address` may not be allocated to an endpoint; undefined where it may. */
export function refusalOf(pool: AddressPool, address: number): string | undefined {
  const { subnet, hosts, gateway, reserve = [] } = pool;
  if (!subnetHas(subnet, address)) return `it is outside ${subnetToText(subnet)}`;
  if (address < hosts.first) return `it is the network address of ${subnetToText(subnet)}`;
  if (address > hosts.last) return `it is the broadcast address of ${subnetToText(subnet)}`;
  if (address === gateway) return "it is the gateway";
  return rangesHave(reserve, address) ? "it is reserved" : undefined;
}

/** Reports whether the pool could choose `address`. */
export function poolHas({ choices }: AddressPool, address: number): boolean {
  return rangesHave(choices, address);
}

/** Returns the pool's unused addresses from `start` upwards, in order. */
export function freeAddresses(
  { choices }: AddressPool,
  isUsed: (address: number) => boolean,
  start = 0,
): Generator<number, undefined> {
  return freeIds(choices, isUsed, start);
}

/**
 * Returns the lowest unused address from `start` on; where all of these are used, the lowest of all.
 * Faults: exhausted.
 */
export function lowestFreeAddress(
  pool: AddressPool,
  isUsed: (address: number) => boolean,
  start = 0,
): number {
  const address = lowestFreeId(pool.choices, isUsed, start);
  if (address !== undefined) return address;
  throw poolIsFull(pool);
}

/** Returns the Fault (exhausted) of a pool without a free address. */
export function poolIsFull(pool: AddressPool): Fault {
  const size = poolSize(pool);
  return new Fault("exhausted", `pool ${subnetToText(pool.subnet)} of ${pool.name} is full`, {
    why: `${size} of ${size} addresses in use`,
    fix: `see "k8contivnet ipam show ${pool.name}"`,
  });
}

/** Returns the addresses of `first-last`, or of a single address. Faults: usage. */
export function parseAddressRange(text: string): Range {
  if (text.includes("/")) throw withPrefixLength(text);
  const [first = "", last = first, ...rest] = text.split("-").map((part) => part.trim());
  const range = { first: parseAddress(first), last: parseAddress(last) };
  if (rest.length === 0 && range.first <= range.last) return range;
  throw new Fault("usage", `"${oneLine(text, 40)}" is not a valid address range`, {
    why: rest.length > 0 ? "a range is FIRST-LAST" : "its first address is above its last",
    fix: 'write it as in "11.1.0.10-11.1.0.20"',
  });
}

/** Returns the Fault (usage) of a range that is written as a subnet, or with a subnet's prefix length. */
function withPrefixLength(text: string): Fault {
  const range = text.includes("-")
    ? text.replace(/\/.*/s, "")
    : addressRangeToText(rangeOf(parseSubnet(text, { hostBits: "cut" })));
  return new Fault("usage", `"${oneLine(text, 40)}" is not a valid address range`, {
    why: "it has a prefix length",
    fix: `write "${oneLine(range, 40)}"`,
  });
}

function rangeOf(subnet: Subnet): Range {
  return { first: subnet.base, last: lastOf(subnet) };
}

/** Returns a range of addresses as an intent file writes it; a single one without `-`. */
export function addressRangeToText({ first, last }: Range): string {
  return first === last ? addressToText(first) : `${addressToText(first)}-${addressToText(last)}`;
}

function intersect(a: Range, b: Range): Range {
  return { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) };
}

function subtract(bounds: Range, kept: readonly Range[]): Range[] {
  const rest: Range[] = [];
  let first = bounds.first;
  for (const gap of kept) {
    if (gap.last < first) continue;
    if (gap.first > bounds.last) break;
    if (gap.first > first) rest.push({ first, last: gap.first - 1 });
    first = gap.last + 1;
  }
  return first <= bounds.last ? [...rest, { first, last: bounds.last }] : rest;
}
