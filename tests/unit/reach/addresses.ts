// Addresses and blocks as text.

import { parseAddress, parseSubnet, subnetHas } from "../../../lib/ipam/subnets.ts";

/** Reports whether an address is in a CIDR. */
export function isWithin(address: string, cidr: string): boolean {
  return subnetHas(parseSubnet(cidr), parseAddress(address));
}

/** Returns the item with the longest CIDR that has an address. */
export function longestMatch<T>(
  items: readonly T[],
  address: string,
  cidrOf: (item: T) => string,
): T | undefined {
  return items.filter((item) => isWithin(address, cidrOf(item)))
    .sort((a, b) => parseSubnet(cidrOf(b)).length - parseSubnet(cidrOf(a)).length)[0];
}
