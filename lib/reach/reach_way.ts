// Where a pod's packet to an address beyond its network goes, and which word opens the way: what the flows and the
// packet filter do, in words. Pure.

import { parseAddress, parseSubnet, subnetHas } from "../ipam/subnets.ts";
import { NOWHERE } from "./bridge_flows.ts";
import type { ReachModel, ReachNetwork, ReachWord } from "./reach_model.ts";

/** The way of a packet. */
export interface ReachWay {
  readonly isAllowed: boolean;
  /** What allows or refuses it, as words. */
  readonly by: string;
  /** Where it leaves the switch to; undefined where the switch drops it. */
  readonly to?: "host" | "other host" | "network";
  /** The set of the packet filter by which this host's stack lets it in; undefined where the stack has no part. */
  readonly set?: ReachWord;
}

/**
 * Returns the way of a packet from a pod of `network` to `destination`, an address that is not of that network.
 * `isHosts`: this host's stack has that address.
 */
export function reachWay(
  model: ReachModel,
  network: ReachNetwork,
  { destination, isHosts }: { readonly destination: string; readonly isHosts: boolean },
): ReachWay {
  const { self, others, networks, serviceCidrs, aliasRange } = model;
  const isIn = (cidr: string) => subnetHas(parseSubnet(cidr), parseAddress(destination));
  if (isHosts || [self.node, self.nat].includes(destination)) return word(network, "host", "host");
  const other = others.find(({ node, nat }) => [node, nat].includes(destination));
  if (other) {
    if (network.aliasedBecause === undefined) return word(network, "host", "other host");
    return refused(`${network.id} is aliased: on ${other.name}, its pods are known to nobody`);
  }
  const routed = networks.find((one) => network.routedTo.includes(one.id) && isIn(one.subnet));
  if (routed) return { isAllowed: true, by: `ReachNetworks has ${routed.id}`, to: "network" };
  const foreign = networks.find(({ subnet }) => isIn(subnet));
  if (foreign) return refused(`ReachNetworks of ${network.id} does not have ${foreign.id}`);
  if (isIn(aliasRange)) return refused("it is an alias, which only its host knows");
  if (serviceCidrs.some(isIn)) return word(network, "services", "host");
  if (NOWHERE.some(isIn)) return refused("such addresses are not outside of the host");
  return word(network, "outside", "host");
}

function word({ id, reach }: ReachNetwork, set: ReachWord, to: "host" | "other host"): ReachWay {
  const isAllowed = reach.has(set);
  const by = isAllowed ? `Reach of ${id} has ${set}` : `Reach of ${id} does not have ${set}`;
  return { isAllowed, by, to, ...to === "host" ? { set } : {} };
}

function refused(by: string): ReachWay {
  return { isAllowed: false, by };
}
