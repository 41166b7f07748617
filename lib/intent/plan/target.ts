// The target of a plan: every desired object as a record, with all values that were left to the pools. Values
// that are still valid are kept, so that planning twice has the same result.

import { Fault } from "../../util/errors.ts";
import { parseAddress, parseSubnet, subnetToText } from "../../ipam/subnets.ts";
import {
  type ClusterRecord,
  type EndpointRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
  type TenantRecord,
} from "../records.ts";
import { checkTenantPool, poolOf } from "../field_rules.ts";
import { whatNewNeeds } from "../new_tenant.ts";
import { type AddressTask, chooseAddresses } from "./choose_addresses.ts";
import { unknownFields } from "./unknown_fields.ts";
import { claimHoldersOf } from "./claim_holders.ts";
import { addressesOfPods, type LiveAttachments } from "./live.ts";
import { nameOf, networkKeyOf, type Stored, tenantKeyOf } from "./stored.ts";
import { chooseOwners } from "./choose_owners.ts";
import { chooseSubnets } from "./choose_subnets.ts";
import { chooseTags, type Choosing } from "./choose_tags.ts";
import type { TenantAttributes } from "../intent.ts";
import type { Desired } from "./desired_types.ts";

/** The desired records by key. */
export interface Target {
  readonly cluster: ReadonlyMap<string, ClusterRecord>;
  readonly hosts: ReadonlyMap<string, HostRecord>;
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly endpoints: ReadonlyMap<string, EndpointRecord>;
}

/** Returns the records of the desired objects. Faults: usage, conflict, exhausted. */
export function chooseTarget(stored: Stored, desired: Desired, live: LiveAttachments): Target {
  const cluster = mapValues(
    desired.cluster,
    (attributes, key) =>
      ({ ...unknownFields("cluster", stored.cluster.get(key)), ...attributes }) as ClusterRecord,
  );
  const hosts = mapValues(
    desired.hosts,
    (host, key) => ({ ...unknownFields("host", stored.hosts.get(key)), ...host }) as HostRecord,
  );
  const tenants = mapValues(
    desired.tenants,
    (tenant, key) =>
      ({
        ...unknownFields("tenant", stored.tenants.get(key)),
        ...complete(desired, key, tenant),
      }) as TenantRecord,
  );
  const holders = claimHoldersOf(stored, desired);
  const choosing: Choosing = { stored, desired, tenants, live, holders };
  const networks = networksOf(choosing);
  const endpoints = endpointsOf(choosing, networks);
  return { cluster, hosts, tenants, networks, endpoints };
}

/** Faults (usage) where a new tenant lacks required fields. */
function complete(desired: Desired, key: string, tenant: TenantAttributes) {
  const { name, subnetPool, allocSubnetLen, defaultNetType } = tenant;
  if (subnetPool === undefined || allocSubnetLen === undefined || defaultNetType === undefined) {
    const networks = [...desired.networks.values()].filter((one) => tenantKeyOf(one) === key);
    throw new Fault("usage", `tenant ${name} is new and not complete`, {
      fix: `add ${whatNewNeeds(tenant, networks)}`,
    });
  }
  checkTenantPool((key) => `${key} of tenant ${name}`, subnetPool, allocSubnetLen);
  return tenant;
}

function networksOf(choosing: Choosing): Map<string, NetworkRecord> {
  const tags = chooseTags(choosing);
  const subnets = chooseSubnets(choosing);
  const owners = chooseOwners(choosing, subnets);
  return mapValues(choosing.desired.networks, (network, key) => {
    const chosen = subnets.get(key);
    if (!chosen) throw new Fault("failed", `network ${nameOf(key)} got no subnet`);
    return {
      ...unknownFields("network", choosing.stored.networks.get(key)),
      ...network,
      ...tags.get(key),
      subnet: subnetToText(chosen.subnet),
      subnetBy: chosen.subnetBy,
      ...owners.get(key),
    } as NetworkRecord;
  });
}

function endpointsOf(
  choosing: Choosing,
  networks: ReadonlyMap<string, NetworkRecord>,
): Map<string, EndpointRecord> {
  const { desired, stored } = choosing;
  const byNetwork = Map.groupBy(desired.endpoints, ([, endpoint]) => networkKeyOf(endpoint));
  const held = addressesOfPods(stored);
  const foreign = foreignAddresses(choosing);
  const bindingByContainer = new Map(
    desired.bindings.map((binding) => [binding.container, binding]),
  );
  const records = new Map<string, EndpointRecord>();
  for (const [networkKey, network] of networks) {
    const task: AddressTask = {
      pool: poolOf(
        (key) => `${key} of ${nameOf(networkKey)}`,
        nameOf(networkKey),
        network,
        parseSubnet(network.subnet),
      ),
      endpoints: byNetwork.get(networkKey) ?? [],
      foreign: foreign.get(networkKey) ?? new Map(),
      held: held.get(networkKey) ?? new Map(),
    };
    const addresses = chooseAddresses(choosing, task);
    for (const [key, endpoint] of task.endpoints) {
      const known = stored.endpoints.get(key);
      const pin = pinOf(bindingByContainer.get(endpoint.container)) ?? known?.pin;
      records.set(key, {
        ...unknownFields("endpoint", known),
        ...endpoint,
        ...(pin ? { pin } : {}),
        ...(known?.bound ? { bound: known.bound } : {}),
        ...addresses.get(key),
      } as EndpointRecord);
    }
  }
  return records;
}

/** Returns the pin that a binding asks for; without AttachUUID it clears an earlier one's. */
export function pinOf(
  binding: { readonly host: string; readonly attachUuid?: string } | undefined,
): EndpointRecord["pin"] {
  if (!binding) return undefined;
  const { host, attachUuid } = binding;
  return { host, ...(attachUuid === undefined ? {} : { attachUuid }) };
}

/** Returns the owners of address claims outside of this plan, by network key and address. */
function foreignAddresses({ holders }: Choosing): Map<string, Map<number, string>> {
  const foreign = new Map<string, Map<number, string>>();
  for (const [claim, owner] of holders.foreign) {
    const [, folder, tenant, network, address] = claim.split("/");
    if (folder !== "ip" || !tenant || !network || !address) continue;
    const key = keys.network(tenant, network);
    const owners = foreign.get(key) ?? new Map<number, string>();
    foreign.set(key, owners.set(parseAddress(address), owner));
  }
  return foreign;
}

function mapValues<T, U>(
  map: ReadonlyMap<string, T>,
  change: (value: T, key: string) => U,
): Map<string, U> {
  return new Map([...map].map(([key, value]) => [key, change(value, key)]));
}
