// Rules of networks with a distributed gateway, across the records of a plan's target: addresses of hosts, services
// and pods meet in one stack on each host, where they must be different.

import { addressesOfHost, type HostRange, parseHostRange } from "../../ipam/host_range.ts";
import { macOf } from "../../ipam/macs.ts";
import { overlap, parseAddress, parseSubnet, subnetHas } from "../../ipam/subnets.ts";
import { Fault } from "../../util/errors.ts";
import { checkReachFields } from "../field_rules.ts";
import {
  clusterSettings,
  idOf,
  isDistributed,
  type ReachSettings,
  reachSettings,
  routesOf,
} from "../reach_settings.ts";
import { type EndpointRecord, keys, type NetworkRecord } from "../records.ts";
import { nameOf, networkKeyOf, type Stored, tenantKeyOf } from "./stored.ts";
import type { Target } from "./target.ts";

interface Connected extends ReachSettings {
  readonly id: string;
  readonly tenant: string;
  readonly network: NetworkRecord;
}

/** Returns warnings. Faults (usage, conflict) where records of `target` contradict each other or `stored`. */
export function checkReach(stored: Stored, target: Target): string[] {
  checkFields(target);
  const settings = clusterSettings(target.cluster.get(keys.cluster));
  const range = parseHostRange(settings.hostRange);
  checkRangeChange(stored, target, range);
  checkServiceRange(settings);
  const connected = connectedNetworks(target);
  if (connected.size === 0) return [];
  const ranges = [
    { text: settings.hostRange, field: "HostRange" },
    ...settings.serviceCidrs.map((text) => ({ text, field: "ServiceCIDR" })),
  ];
  for (const { network } of connected.values()) checkSubnet(network, ranges);
  checkTunnelAddresses(target, settings.hostRange, connected);
  for (const endpoint of target.endpoints) checkMac(endpoint, target, range);
  for (const one of connected.values()) checkNat(one);
  return [
    ...checkRoutes(connected, stored, target),
    ...withoutServices(connected, settings.serviceCidrs),
    ...stillAliased(connected),
  ];
}

function connectedNetworks(
  { networks, tenants }: Pick<Target, "networks" | "tenants">,
): Map<string, Connected> {
  const connected = new Map<string, Connected>();
  for (const network of networks.values()) {
    if (!isDistributed(network)) continue;
    const settings = reachSettings(network, tenants.get(tenantKeyOf(network)));
    connected.set(idOf(network), {
      ...settings,
      id: idOf(network),
      tenant: network.tenant,
      network,
    });
  }
  return connected;
}

function checkFields({ networks, tenants }: Target): void {
  for (const network of networks.values()) {
    const { gatewayType } = reachSettings(network, tenants.get(tenantKeyOf(network)));
    checkReachFields((field) => `${field} of ${idOf(network)}`, network, gatewayType);
  }
}

/** Hosts have addresses of the range from the first network with a distributed gateway on. */
function checkRangeChange(stored: Stored, target: Target, { lastHost }: HostRange): void {
  const [before, hostRange] = [stored, target].map(({ cluster }) =>
    clusterSettings(cluster.get(keys.cluster)).hostRange
  );
  if (before === hostRange) return;
  const [, user] = [...stored.networks].find(([key, network]) => {
    const after = target.networks.get(key);
    return isDistributed(network) && after && isDistributed(after);
  }) ?? [];
  if (user) {
    throw new Fault("conflict", `HostRange ${hostRange} is refused`, {
      why: `hosts have addresses of the present one, for network ${idOf(user)}`,
      fix: "change it while no network has a distributed gateway",
    });
  }
  const beyond = stored.hostNumbers.values().find(({ number }) => number > lastHost);
  if (!beyond) return;
  throw new Fault("conflict", `HostRange ${hostRange} is refused`, {
    why: `it has ${lastHost} hosts, and ${beyond.host} is number ${beyond.number}`,
    fix: 'choose a larger one, or remove hosts that are gone with "k8contivnet gc --host NAME"',
  });
}

function checkServiceRange(
  { hostRange, serviceCidrs }: {
    readonly hostRange: string;
    readonly serviceCidrs: readonly string[];
  },
): void {
  const other = serviceCidrs.find((cidr) => overlap(parseSubnet(cidr), parseSubnet(hostRange)));
  if (other === undefined) return;
  throw new Fault("usage", `ServiceCIDR ${other} is refused`, {
    why: `it overlaps HostRange ${hostRange}`,
    fix: "give the cluster's own service range, or choose another HostRange",
  });
}

function checkSubnet(
  network: NetworkRecord,
  ranges: readonly { readonly text: string; readonly field: string }[],
): void {
  const subnet = parseSubnet(network.subnet);
  const range = ranges.find(({ text }) => overlap(parseSubnet(text), subnet));
  if (!range) return;
  throw new Fault("usage", `subnet ${network.subnet} of ${idOf(network)} is refused`, {
    why: `it overlaps ${range.field} ${range.text}, and the gateway is distributed`,
    fix: `choose another subnet, or another ${range.field}`,
  });
}

/** Routes of the stack to pods or hosts would take the tunnels' packets with them. */
function checkTunnelAddresses(
  { hosts }: Target,
  hostRange: string,
  connected: ReadonlyMap<string, Connected>,
): void {
  const owned = [...connected.values()].filter(({ network }) => network.owner)
    .map(({ id, network }) => ({ cidr: network.subnet, what: `the subnet of ${id}` }));
  for (const { name, vtepIp } of hosts.values()) {
    if (vtepIp === undefined) continue;
    const address = parseAddress(vtepIp);
    const other = [{ cidr: hostRange, what: "HostRange" }, ...owned]
      .find(({ cidr }) => subnetHas(parseSubnet(cidr), address));
    if (!other) continue;
    throw new Fault("usage", `VtepIp ${vtepIp} of host ${name} is refused`, {
      why: `it is in ${other.cidr}, ${other.what}, which hosts route to pods`,
      fix: "choose another subnet",
    });
  }
}

/** The gateway has the host's MAC, which is made from its address. */
function checkMac(
  [key, endpoint]: readonly [string, EndpointRecord],
  { networks }: Target,
  range: HostRange,
): void {
  const network = networks.get(networkKeyOf(endpoint));
  if (endpoint.mac === undefined || !network || !isDistributed(network)) return;
  const number = numberOfMac(endpoint.mac, range);
  if (number === undefined) return;
  throw new Fault("usage", `Mac ${endpoint.mac} of ${nameOf(key)} is refused`, {
    why: `it is that of the gateway on host number ${number}`,
    fix: "choose another one, or leave it out",
  });
}

/** Returns the number of the host whose gateway has a MAC; undefined where it is no host's. */
function numberOfMac(mac: string, range: HostRange): number | undefined {
  const bytes = mac.split(":").slice(2).map((byte) => parseInt(byte, 16));
  const number = parseAddress(bytes.join(".")) - range.nodes.base;
  if (number < 1 || number > range.lastHost) return undefined;
  return macOf(addressesOfHost(range, number).node) === mac ? number : undefined;
}

function checkNat({ id, network, natOutgoing }: Connected): void {
  const { aliasedBecause, subnet } = network;
  if (natOutgoing || aliasedBecause === undefined) return;
  throw new Fault("usage", `NatOutgoing of ${id} is refused`, {
    why: `${aliasedBecause} owns an overlapping subnet, so ${subnet} is not routed to ${id}`,
    fix: "leave it out, or choose another subnet",
  });
}

/** Returns warnings about networks that are named and not routed to. */
function checkRoutes(
  connected: ReadonlyMap<string, Connected>,
  stored: Stored,
  target: Target,
): string[] {
  const warnings: string[] = [];
  for (const [id, { tenant, names, network }] of connected) {
    for (const other of names) {
      const why = whyNotRouted(id, connected.get(other), target.networks, other);
      if (why === undefined) continue;
      // Of another tenant it may be connected later, and a tenant's default is for all its networks, whether
      // there are others or not; in the network's own list it is a mistake.
      const isMistake = other.startsWith(`${tenant}/`) && network.reachNetworks !== undefined &&
        !isNamedInVain(stored, id, other);
      if (isMistake) throw notRouted(id, other, why);
      warnings.push(`${id} is not routed to ${other}: ${why}`);
    }
  }
  for (const [id, others] of routesOf(connected)) {
    checkApart([id, ...others].flatMap((one) => connected.get(one)?.network ?? []));
  }
  return warnings;
}

/**
 * Reports whether the stored network names the other one in vain already: an apply that another one stood against ended
 * before it created that one. What other plans change has nothing to do with it.
 */
function isNamedInVain(stored: Stored, id: string, other: string): boolean {
  const before = connectedNetworks(stored);
  return before.get(id)?.names.includes(other) === true &&
    whyNotRouted(id, before.get(other), stored.networks, other) !== undefined;
}

const EXTERNAL = "its gateway is external";

function whyNotRouted(
  id: string,
  other: Connected | undefined,
  networks: Target["networks"],
  otherId: string,
): string | undefined {
  if (!other) {
    return networks.has(`networks/${otherId}`) ? EXTERNAL : `network ${otherId} does not exist`;
  }
  const isMutual = id.split("/")[0] === other.tenant || other.names.includes(id);
  return isMutual ? undefined : `that one does not name ${id} in its ReachNetworks`;
}

function notRouted(id: string, other: string, why: string): Fault {
  return new Fault("usage", `network ${id} names ${other} in ReachNetworks`, {
    why,
    fix: why === EXTERNAL
      ? "give that one GatewayType distributed in this file, too, or leave the name out"
      : "leave the name out",
  });
}

/** Of networks that one is routed to, an address must say which one is meant. */
function checkApart(networks: readonly NetworkRecord[]): void {
  for (const [index, one] of networks.entries()) {
    const other = networks.slice(index + 1)
      .find(({ subnet }) => overlap(parseSubnet(subnet), parseSubnet(one.subnet)));
    if (!other) continue;
    const [first] = networks;
    throw new Fault("usage", `ReachNetworks of ${idOf(first ?? one)} are refused`, {
      why: `subnet ${one.subnet} of ${idOf(one)} overlaps ${other.subnet} of ${idOf(other)}`,
      fix: "leave one of them out, or choose another subnet",
    });
  }
}

function withoutServices(
  connected: ReadonlyMap<string, Connected>,
  serviceCidrs: readonly string[],
): string[] {
  if (serviceCidrs.length > 0) return [];
  const user = connected.values().find(({ reach }) => reach.includes("services"));
  return user ? [`${user.id} may reach services, but there is no ServiceCIDR`] : [];
}

function stillAliased(connected: ReadonlyMap<string, Connected>): string[] {
  return [...connected.values()].flatMap(({ id, network: { aliasedBecause, subnet } }) => {
    if (aliasedBecause === undefined) return [];
    const owner = connected.get(aliasedBecause)?.network;
    if (owner?.owner && overlap(parseSubnet(owner.subnet), parseSubnet(subnet))) return [];
    return [
      `${id} stays aliased though ${aliasedBecause} no longer has its subnet: it becomes the owner ` +
      "of its subnet when a file names it while it has no pods",
    ];
  });
}
