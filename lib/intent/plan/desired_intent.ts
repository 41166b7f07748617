// The desired objects: the stored records, changed by what a file states. Nothing is chosen here; a tag, subnet
// or address that is left out is chosen from the pools later.

import type { ClusterAttributes, Intent, TenantAttributes } from "../intent.ts";
import { type EndpointRecord, keys, type NetworkRecord, type TenantRecord } from "../records.ts";
import { keepDynamicEndpoints } from "./dynamic_endpoints.ts";
import { type Stored, titleOf } from "./stored.ts";
import { setAsideOrphans } from "./orphans.ts";
import type { Desired, DesiredEndpoint, DesiredNetwork } from "./desired_types.ts";

/** What a user wants done with an intent. */
export interface Change {
  /** add: create and update; replace: everything else is deleted; delete: what it names is deleted. */
  readonly mode: "add" | "replace" | "delete";
  readonly intent: Intent;
  /** Children of deleted objects are deleted, too. @default false */
  readonly force?: boolean;
  /**
   * How many free addresses to skip. Other agents that plan at this moment choose the lowest free one, too:
   * the one that lost the race skips some, so that they do not all conflict again. @default 0
   */
  readonly skip?: number;
}

/** Returns the desired objects after `change`. */
export function desiredOf(stored: Stored, { mode, intent, skip = 0 }: Change): Desired {
  const desired = { ...mode === "replace" ? onlyCluster(stored) : storedAsDesired(stored), skip };
  if (mode === "delete") remove(desired, stored, intent);
  else merge(desired, stored, intent);
  keepDynamicEndpoints(desired, stored, desiredEndpoint);
  setAsideOrphans(desired, stored);
  return mode === "delete" ? desired : { ...desired, bindings: intent.hostBindings };
}

/** Returns the stored records as desired objects, without the values that were chosen from pools. */
export function storedAsDesired(stored: Stored): Desired {
  const desired = onlyCluster(stored);
  for (const [key, { schema: _, ...host }] of stored.hosts) desired.hosts.set(key, host);
  for (const [key, tenant] of stored.tenants) desired.tenants.set(key, attributesOf(tenant));
  for (const [key, network] of stored.networks) desired.networks.set(key, desiredNetwork(network));
  for (const [key, endpoint] of stored.endpoints) {
    desired.endpoints.set(key, desiredEndpoint(endpoint));
  }
  return desired;
}

/** Returns no objects but the settings of the cluster, of which a file never states all. */
function onlyCluster({ cluster }: Stored): Desired {
  return {
    cluster: new Map([...cluster].map(([key, { schema: _, ...attributes }]) => [key, attributes])),
    hosts: new Map(),
    tenants: new Map(),
    networks: new Map(),
    endpoints: new Map(),
    listed: new Set(),
    untouched: new Set(),
    bindings: [],
    warnings: [],
    skip: 0,
  };
}

function attributesOf({ schema: _, ...attributes }: TenantRecord): TenantAttributes {
  return attributes;
}

function desiredNetwork(record: NetworkRecord): DesiredNetwork {
  const { schema: _, tagBy, subnetBy, tag, subnet, owner: _o, aliasedBecause: _a, ...said } =
    record;
  return {
    ...said,
    ...(tagBy === "intent" ? { tag } : {}),
    ...(subnetBy === "intent" ? { subnet } : {}),
  };
}

function desiredEndpoint(record: EndpointRecord): DesiredEndpoint {
  const { schema: _, pin: _pin, bound: _bound, addressBy, address, ...said } = record;
  return { ...said, ...(addressBy === "intent" ? { address } : {}) };
}

/** A file states hosts, networks and endpoints in full; of a tenant it may state some fields only. */
function merge(desired: Desired, stored: Stored, intent: Intent): void {
  const state = <T>(map: Map<string, T>, key: string, value: T) => {
    map.set(key, value);
    desired.listed.add(key);
  };
  const cluster = clusterOf(intent);
  if (Object.keys(cluster).length > 0) {
    state(desired.cluster, keys.cluster, { ...desired.cluster.get(keys.cluster), ...cluster });
  }
  for (const host of intent.hosts) state(desired.hosts, keys.host(host.name), host);
  for (const { networks, ...attributes } of intent.tenants) {
    const tenant = attributes.name;
    const known = stored.tenants.get(keys.tenant(tenant));
    const kept = known ? attributesOf(known) : {};
    state(desired.tenants, keys.tenant(tenant), { ...kept, ...attributes });
    for (const { endpoints, ...network } of networks) {
      state(desired.networks, keys.network(tenant, network.name), { ...network, tenant });
      for (const endpoint of endpoints) {
        const key = keys.endpoint(tenant, network.name, endpoint.container);
        state(desired.endpoints, key, { ...endpoint, tenant, network: network.name });
      }
    }
  }
}

/** Returns what a file says of the whole cluster. */
function clusterOf({ serviceCidrs, hostRange }: Intent): ClusterAttributes {
  return {
    ...serviceCidrs === undefined ? {} : { serviceCidrs },
    ...hostRange === undefined ? {} : { hostRange },
  };
}

/**
 * Deletes each named endpoint; a network or tenant only where the file names nothing below it, and settings
 * of the cluster only where it names no object at all.
 */
function remove(desired: Desired, stored: Stored, intent: Intent): void {
  const removeFrom = (
    map: Map<string, unknown>,
    records: ReadonlyMap<string, unknown>,
    key: string,
  ) => {
    map.delete(key);
    if (!records.has(key)) desired.warnings.push(`${titleOf(key)} does not exist`);
  };
  if (intent.hosts.length === 0 && intent.tenants.length === 0) removeSettings(desired, intent);
  for (const { name } of intent.hosts) removeFrom(desired.hosts, stored.hosts, keys.host(name));
  for (const { name: tenant, networks } of intent.tenants) {
    if (networks.length === 0) removeFrom(desired.tenants, stored.tenants, keys.tenant(tenant));
    for (const { name, endpoints } of networks) {
      if (endpoints.length === 0) {
        removeFrom(desired.networks, stored.networks, keys.network(tenant, name));
      }
      for (const { container } of endpoints) {
        removeFrom(desired.endpoints, stored.endpoints, keys.endpoint(tenant, name, container));
      }
    }
  }
}

function removeSettings(desired: Desired, intent: Intent): void {
  const stated = Object.keys(clusterOf(intent));
  const kept = Object.entries(desired.cluster.get(keys.cluster) ?? {})
    .filter(([name]) => !stated.includes(name));
  desired.cluster.delete(keys.cluster);
  if (kept.length > 0) desired.cluster.set(keys.cluster, Object.fromEntries(kept));
}
