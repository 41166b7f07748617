// Rules within one tenant or network. Checked when a file is parsed, with the path of the field in messages,
// and again when it is planned, when the values that the file leaves out are known.

import { type AddressPool, createPool, parseAddressRange, refusalOf } from "../ipam/addresses.ts";
import { DEFAULT_HOST_RANGE, parseHostRange } from "../ipam/host_range.ts";
import { VLANS, VNIS } from "../ipam/ranges.ts";
import { reservationOf } from "../ipam/reserved.ts";
import {
  hostsIn,
  lastOf,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetHas,
  subnetToText,
} from "../ipam/subnets.ts";
import { Fault } from "../util/errors.ts";
import type { NetworkAttributes } from "./intent.ts";
import type { Encap, GatewayType } from "./records.ts";

/** Names a field in messages, given its key in the file. */
export type At = (key: string) => string;

/** Faults (usage) unless a block of `allocSubnetLen` fits into `subnetPool`. */
export function checkTenantPool(at: At, subnetPool: string, allocSubnetLen: number): void {
  const { length } = parseSubnet(subnetPool);
  if (length <= allocSubnetLen) return;
  throw new Fault("usage", `${at("AllocSubnetLen")} ${allocSubnetLen} is refused`, {
    why: `a /${allocSubnetLen} does not fit into the pool ${subnetPool}`,
    fix: `give ${length} or more`,
  });
}

/** Faults (usage) unless `tag` is valid for `encap`. */
export function checkTag(at: At, encap: Encap, tag: number): void {
  const { first, last } = encap === "vlan" ? VLANS : VNIS;
  if (first <= tag && tag <= last) return;
  throw new Fault("usage", `${at("PktTag")} ${tag} is not a valid ${tagWord(encap)}`, {
    why: `${first} to ${last} are allowed`,
    fix: "leave it out for the lowest free one",
  });
}

/** Returns the name of a tag of `encap` in messages. */
export function tagWord(encap: Encap): "VLAN" | "VNI" {
  return encap === "vlan" ? "VLAN" : "VNI";
}

const LINK_LOCAL = parseSubnet("169.254.0.0/16");
const CLASS_E = parseSubnet("240.0.0.0/8");

/**
 * Returns why a host cannot have `address` as tunnel address; undefined where it can. A link-local one it may
 * have: such addresses are chosen by hosts, as this one is, and only pods are assigned theirs.
 */
export function vtepRefusal(address: string): string | undefined {
  const first = parseAddress(address);
  const refusal = reservationOf({ first, last: first });
  if (subnetHas(LINK_LOCAL, first)) return undefined;
  return refusal ?? (first < CLASS_E.base ? undefined : "it is not a unicast address of a host");
}

/** Returns a host range, normalised. Faults: usage. */
export function readHostRange(text: string): string {
  const { whole } = parseHostRange(text);
  const refusal = reservationOf(hostsIn(whole));
  if (refusal === undefined) return subnetToText(whole);
  throw new Fault("usage", `host range ${text} is refused`, {
    why: refusal,
    fix: `choose one such as ${DEFAULT_HOST_RANGE}`,
  });
}

/** Returns why services cannot have addresses in `subnet`; undefined where they can. */
export function serviceRangeRefusal(subnet: Subnet): string | undefined {
  // Node-local DNS listens at such an address.
  if (subnetHas(LINK_LOCAL, subnet.base) && subnet.length === 32) return undefined;
  return reservationOf(hostsIn(subnet));
}

/**
 * Faults (usage) where the fields of a network's reach contradict each other. `gatewayType` is that of the
 * network or its tenant; undefined where that is not known yet.
 */
export function checkReachFields(
  at: At,
  { gateway, reach = [], reachNetworks = [], natOutgoing }: Pick<
    NetworkAttributes,
    "gateway" | "reach" | "reachNetworks" | "natOutgoing"
  >,
  gatewayType: GatewayType | undefined,
): void {
  if (gatewayType === undefined) return;
  if (gatewayType === "distributed") {
    if (gateway !== undefined) return;
    throw new Fault("usage", `${at("DefaultGw")} is missing`, {
      why: "a distributed gateway needs an address in the network",
      fix: 'add one, or "GatewayType": "external"',
    });
  }
  const stated = Object.entries({
    Reach: reach.length > 0,
    ReachNetworks: reachNetworks.length > 0,
    NatOutgoing: natOutgoing !== undefined,
  }).find(([, isStated]) => isStated);
  if (!stated) return;
  throw new Fault("usage", `${at(stated[0])} is refused`, {
    why: "the gateway is external, so hosts connect the network with nothing",
    fix: 'add "GatewayType": "distributed"',
  });
}

/** Returns the pool of a network. Faults (usage) if gateway, reserve or range do not suit `subnet`. */
export function poolOf(
  at: At,
  name: string,
  { gateway, reserve = [], allocRange }: Pick<
    NetworkAttributes,
    "gateway" | "reserve" | "allocRange"
  >,
  subnet: Subnet,
): AddressPool {
  const ranges = reserve.map(parseAddressRange);
  const chosen = allocRange === undefined ? undefined : parseAddressRange(allocRange);
  for (const [index, range] of ranges.entries()) {
    checkInside(at(`Reserve[${index}]`), reserve[index] ?? "", range, subnet);
  }
  if (chosen) checkInside(at("AllocRange"), allocRange ?? "", chosen, subnet);
  const parts = { name, subnet, reserve: ranges, allocRange: chosen };
  if (gateway === undefined) return createPool(parts);
  // A gateway may be in the reserve: that is one way to keep it from being allocated.
  const refusal = refusalOf(createPool({ name, subnet }), parseAddress(gateway));
  if (refusal) throw refused(`${at("DefaultGw")} ${gateway}`, refusal);
  return createPool({ ...parts, gateway: parseAddress(gateway) });
}

/** Faults (usage) if `address` may not be given to an endpoint of `pool`. */
export function checkAddress(at: At, pool: AddressPool, address: string): void {
  const refusal = refusalOf(pool, parseAddress(address));
  if (refusal) throw refused(`${at("IpAddress")} ${address}`, refusal);
}

function checkInside(
  what: string,
  text: string,
  { first, last }: { readonly first: number; readonly last: number },
  subnet: Subnet,
): void {
  if (subnetHas(subnet, first) && last <= lastOf(subnet)) return;
  throw refused(`${what} ${text}`, `it is outside ${subnetToText(subnet)}`);
}

function refused(what: string, why: string): Fault {
  return new Fault("usage", `${what} is refused`, { why, fix: "choose another one" });
}
