// The IPv4 blocks whose addresses no pod or host can have: those that the registry of RFC 6890 marks as
// "Reserved-by-Protocol", and multicast. Not among them, and accepted: class E (240.0.0.0/4, also reserved, but
// Linux has used it as unicast since 2.6.25), shared addresses (100.64.0.0/10), benchmarks (198.18.0.0/15),
// documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24), and IETF assignments (192.0.0.0/24), which
// IP itself treats like any other address.

import type { Range } from "./ranges.ts";
import { lastOf, overlap, parseSubnet, type Subnet, subnetHolds } from "./subnets.ts";

interface ReservedBlock {
  readonly cidr: string;
  readonly subnet: Subnet;
  readonly use: string;
}

const BLOCKS: readonly ReservedBlock[] = [
  ["0.0.0.0/8", 'reserved for "this network" (RFC 1122)'],
  ["127.0.0.0/8", "reserved for loopback, other interfaces drop it (RFC 1122)"],
  ["169.254.0.0/16", "reserved for link-local addresses, which are not assigned (RFC 3927)"],
  ["224.0.0.0/4", "reserved for multicast (RFC 5771)"],
  ["255.255.255.255/32", "reserved for broadcast (RFC 919)"],
].map(([cidr = "", use = ""]) => ({ cidr, use, subnet: parseSubnet(cidr) }));

/** Returns which reserved block one of these addresses is in, and for what; undefined where none is. */
export function reservationOf({ first, last }: Range): string | undefined {
  return textOf(BLOCKS.find(({ subnet }) => first <= lastOf(subnet) && last >= subnet.base));
}

/** Returns which reserved block has all addresses of `subnet`, and for what; undefined where none has. */
export function reservationOfAll(subnet: Subnet): string | undefined {
  return textOf(BLOCKS.find((block) => subnetHolds(block.subnet, subnet)));
}

/** Returns the reserved blocks that a subnet of prefix `length`, cut from `pool`, has to avoid. */
export function reservedIn(pool: Subnet, length: number): Subnet[] {
  // The last address of a subnet below /31 is its own broadcast address anyway.
  return BLOCKS.map(({ subnet }) => subnet)
    .filter((subnet) => overlap(subnet, pool) && (subnet.length < 32 || length >= 31));
}

function textOf(block: ReservedBlock | undefined): string | undefined {
  return block && `${block.cidr} is ${block.use}`;
}
