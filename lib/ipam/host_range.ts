// The range of addresses that hosts have in pods' networks, one for the whole cluster. Its quarters, in order: addresses
// that stand for pods of aliased networks (lower half: the pod, upper half: its packets to itself through a
// service), NODE of each host, NAT of each host, and one that is not used.
//
// The default lies in the block that RFC 6598 sets apart for a provider's own use, so that neither pods nor the
// outside are likely to have it.

import { Fault } from "../util/errors.ts";
import { fnv32 } from "../util/fnv.ts";
import {
  addressToText,
  parseAddress,
  parseSubnet,
  sizeOf,
  type Subnet,
  subnetHas,
  subnetToText,
} from "./subnets.ts";

/** The range where neither the store nor a flag has another one: a /16 for each quarter. */
export const DEFAULT_HOST_RANGE = "100.64.0.0/14";

const LONGEST = 22;
const SHORTEST = 8;

/** The parts of a range. */
export interface HostRange {
  /** All of it. */
  readonly whole: Subnet;
  /** Aliases of pods, and their hairpin aliases. */
  readonly aliases: Subnet;
  readonly nodes: Subnet;
  readonly nats: Subnet;
  /** Highest number of a host; the lowest one is 1. */
  readonly lastHost: number;
}

/** The addresses of a host, bare. */
export interface HostAddresses {
  readonly node: string;
  readonly nat: string;
}

/** Returns the parts of a range from /8 to /22. Faults: usage. */
export function parseHostRange(text: string): HostRange {
  const whole = parseSubnet(text);
  if (whole.length < SHORTEST || whole.length > LONGEST) {
    throw new Fault("usage", `host range ${text} is refused`, {
      why: `a prefix length from ${SHORTEST} to ${LONGEST} is allowed`,
      fix: `choose one such as ${DEFAULT_HOST_RANGE}`,
    });
  }
  const length = whole.length + 2;
  const quarter = (index: number): Subnet => ({
    base: whole.base + index * sizeOf(length),
    length,
  });
  const [aliases, nodes, nats] = [quarter(0), quarter(1), quarter(2)];
  return { whole, aliases, nodes, nats, lastHost: sizeOf(length) - 2 };
}

/** Returns the addresses of the host with this number, from 1 on. */
export function addressesOfHost({ nodes, nats }: HostRange, number: number): HostAddresses {
  return { node: addressToText(nodes.base + number), nat: addressToText(nats.base + number) };
}

/**
 * Returns the alias that follows from `holder`, a name of who gets it, or the next one that is free, as text; undefined
 * where all are taken. The same holder gets the same alias again: connections that are still known of an alias then
 * mean the same pod's address.
 */
export function freeAlias(
  { aliases }: HostRange,
  holder: string,
  isTaken: (alias: string) => boolean,
): string | undefined {
  const count = sizeOf(aliases.length + 1) - 2;
  const first = fnv32(holder) % count;
  for (let tries = 0; tries < count; tries++) {
    const alias = addressToText(aliases.base + 1 + (first + tries) % count);
    if (!isTaken(alias)) return alias;
  }
  return undefined;
}

/** Returns the hairpin alias that belongs to the alias of a pod. Faults: usage, if it is not an alias. */
export function hairpinOf({ aliases }: HostRange, alias: string): string {
  const address = parseAddress(alias);
  const half = sizeOf(aliases.length + 1);
  if (subnetHas({ base: aliases.base, length: aliases.length + 1 }, address)) {
    return addressToText(address + half);
  }
  throw new Fault("usage", `${alias} is not an alias of a pod`, {
    why: `aliases are in the lower half of ${subnetToText(aliases)}`,
  });
}
