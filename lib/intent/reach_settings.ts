// How networks are connected, once the defaults of tenants and cluster are filled in. Pure.

import { DEFAULT_HOST_RANGE } from "../ipam/host_range.ts";
import { readableAt } from "./readable.ts";
import {
  type ClusterRecord,
  type Documents,
  type GatewayType,
  keys,
  type NetworkRecord,
  type ReachFields,
  type ReachWord,
} from "./records.ts";

/** The fields of a network with all defaults. */
export interface ReachSettings {
  readonly gatewayType: GatewayType;
  /** Empty with an external gateway, as is `names`. */
  readonly reach: readonly ReachWord[];
  /** Networks (`tenant/network`) that the network itself wants to be routed to. */
  readonly names: readonly string[];
  readonly natOutgoing: boolean;
}

type Named = Pick<NetworkRecord, "tenant" | "name">;

/** Returns `tenant/network`. */
export function idOf({ tenant, name }: Named): string {
  return `${tenant}/${name}`;
}

/** Returns the settings of a network; `tenant` has the defaults. */
export function reachSettings(
  network: Named & ReachFields,
  tenant: ReachFields | undefined,
): ReachSettings {
  const gatewayType = network.gatewayType ?? tenant?.gatewayType ?? "external";
  const natOutgoing = network.natOutgoing ?? tenant?.natOutgoing ?? true;
  if (gatewayType === "external") return { gatewayType, reach: [], names: [], natOutgoing };
  const names = network.reachNetworks ?? tenant?.reachNetworks ?? [];
  return {
    gatewayType,
    reach: network.reach ?? tenant?.reach ?? [],
    names: [
      ...new Set(names.map((name) => name.includes("/") ? name : `${network.tenant}/${name}`)),
    ]
      .filter((id) => id !== idOf(network)),
    natOutgoing,
  };
}

/** A network for routedPairs(). */
export interface RoutedNetwork {
  readonly tenant: string;
  /** Networks (`tenant/network`) that it names. */
  readonly names: readonly string[];
}

/**
 * Returns the networks that each one is routed to, sorted, by id. Within a tenant one side's wish is enough;
 * across tenants both must name each other, as neither may open the other's network.
 */
export function routesOf(networks: ReadonlyMap<string, RoutedNetwork>): Map<string, string[]> {
  const routes = new Map([...networks.keys()].map((id) => [id, new Set<string>()]));
  for (const [id, { tenant, names }] of networks) {
    for (const other of names) {
      const peer = networks.get(other);
      if (!peer || (peer.tenant !== tenant && !peer.names.includes(id))) continue;
      routes.get(id)?.add(other);
      routes.get(other)?.add(id);
    }
  }
  return new Map([...routes].map(([id, others]) => [id, [...others].sort()]));
}

/** The settings of the cluster, with defaults. */
export interface ClusterSettings {
  readonly hostRange: string;
  readonly serviceCidrs: readonly string[];
}

/** Returns the settings of the cluster. */
export function clusterSettings(record: ClusterRecord | undefined): ClusterSettings {
  const { hostRange = DEFAULT_HOST_RANGE, serviceCidrs = [] } = record ?? {};
  return { hostRange, serviceCidrs };
}

/** Returns the settings of the cluster that the store has. */
export function clusterSettingsIn(documents: Documents): ClusterSettings {
  return clusterSettings(readableAt<ClusterRecord>(documents, keys.cluster));
}

/** Reports whether a record is that of a network with a distributed gateway. */
export function isDistributed({ owner, aliasedBecause }: NetworkRecord): boolean {
  return owner === true || aliasedBecause !== undefined;
}
