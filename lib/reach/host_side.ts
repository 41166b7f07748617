// What the host's own stack has to be so that it routes, masquerades and refuses for its pods: addresses,
// routes, settings of the kernel, and one table of its packet filter. Pure; nothing of the host's own is
// changed by it.

import { parseSubnet, subnetHolds } from "../ipam/subnets.ts";
import { type PacketFilter, packetFilterOf } from "./packet_filter.ts";
import { HOST_PORT, NEXT_HOP, type ReachModel } from "./reach_model.ts";

/** A route from the host to pods or services. */
export interface PodRoute {
  /** CIDR. */
  readonly to: string;
  /** Source of the host's own packets. */
  readonly source: string;
  /** Bytes; undefined: the link's. */
  readonly mtu?: number | undefined;
}

/** A setting of the kernel. */
export interface KernelSetting {
  /** Path below /proc/sys. */
  readonly key: string;
  readonly value: string;
  /** True: a kernel without that part does not have it. */
  readonly isOptional?: boolean;
}

/** The host's side of reach. */
export interface HostSide {
  /** The link that leads to the integration bridge. */
  readonly device: string;
  /** Bare IPv4 addresses in this order: programs that masquerade take the first. */
  readonly addresses: readonly string[];
  /** Next hop of all routes, with its MAC. */
  readonly nextHop: { readonly address: string; readonly mac: string };
  readonly routes: readonly PodRoute[];
  readonly settings: readonly KernelSetting[];
  readonly filter: PacketFilter;
}

/** Returns what the host of `model` should have. */
export function hostSideOf(given: ReachModel): HostSide {
  const model = { ...given, serviceCidrs: outermost(given.serviceCidrs) };
  return {
    device: HOST_PORT,
    addresses: [model.self.nat, model.self.node],
    nextHop: NEXT_HOP,
    routes: routesOf(model),
    settings: SETTINGS,
    filter: packetFilterOf(model),
  };
}

// Loose: answers of a pod come in by this link also where another route of the host is the way to its address.
// 0 would not do: the kernel takes the higher one of the link's and `all`.
const LOOSE = "2";

const SETTINGS: readonly KernelSetting[] = [
  { key: "net/ipv4/ip_forward", value: "1" },
  { key: `net/ipv4/conf/${HOST_PORT}/forwarding`, value: "1" },
  { key: `net/ipv4/conf/${HOST_PORT}/rp_filter`, value: LOOSE },
  // No router's advertisement, and no address of its own: pods have IPv4.
  { key: `net/ipv6/conf/${HOST_PORT}/accept_ra`, value: "0", isOptional: true },
  { key: `net/ipv6/conf/${HOST_PORT}/disable_ipv6`, value: "1", isOptional: true },
];

function routesOf(
  { self, networks, serviceCidrs, aliasRange }: ReachModel,
): PodRoute[] {
  const source = self.node;
  const owners = networks.filter((one) => one.aliasedBecause === undefined);
  const aliased = networks.filter((one) => one.aliasedBecause !== undefined);
  const lowest = Math.min(...aliased.map(({ mtu }) => mtu));
  const owned = new Set(owners.map(({ subnet }) => subnet));
  const more = outermost(networks.map(({ subnet }) => subnet)).filter((to) => !owned.has(to));
  return [
    ...owners.map(({ subnet, mtu }): PodRoute => ({ to: subnet, source, mtu })),
    // What no owner has of an aliased network: the switch decides by who asks, and the uplink gets none of it.
    ...more.map((to): PodRoute => ({ to, source, mtu: lowest })),
    ...aliased.length > 0 ? [{ to: aliasRange, source, mtu: lowest }] : [],
    // So that the host's own connections to a service begin with NODE, and their answers find back.
    ...serviceCidrs.map((to): PodRoute => ({ to, source })),
  ];
}

/** Returns `cidrs` without those that another one holds. */
function outermost(cidrs: readonly string[]): string[] {
  const blocks = [...new Set(cidrs)].map((cidr) => ({ cidr, block: parseSubnet(cidr) }));
  return blocks.filter((one) =>
    !blocks.some((other) => other !== one && subnetHolds(other.block, one.block))
  ).map(({ cidr }) => cidr);
}
