// Rules across the records of a plan's target, which can be checked only when all of them are known.

import { countIds, mergeRanges, parseVlanRanges, VLANS } from "../../ipam/ranges.ts";
import { Fault } from "../../util/errors.ts";
import type { EndpointRecord, NetworkRecord, TenantRecord } from "../records.ts";
import { isDistributed } from "../reach_settings.ts";
import { checkUsers } from "./policy_users.ts";
import { nameOf, networkKeyOf, tenantKeyOf } from "./stored.ts";
import type { Target } from "./target.ts";

/** Faults (usage, exhausted) where records of `target` contradict each other. */
export function checkTarget({ tenants, networks, endpoints }: Target): void {
  checkLocalTags([...tenants.values()], [...networks.values()]);
  checkDefaults(networks);
  for (const tenant of tenants.values()) checkGroups(tenant, networks);
  checkUsers(tenants, networks, endpoints);
  checkMembers(tenants, endpoints);
  checkMacs(endpoints);
}

/** On each host a VXLAN network needs a local VLAN, which no tenant and no VLAN network uses. */
function checkLocalTags(
  tenants: readonly TenantRecord[],
  networks: readonly NetworkRecord[],
): void {
  const hasVxlan = tenants.some(({ vxlans }) => vxlans !== undefined) ||
    networks.some(({ encap }) => encap === "vxlan");
  if (!hasVxlan) return;
  const taken = mergeRanges([
    ...tenants.flatMap(({ vlans }) => vlans === undefined ? [] : parseVlanRanges(vlans)),
    ...networks.flatMap(({ encap, tag }) => encap === "vlan" ? [{ first: tag, last: tag }] : []),
  ]);
  // Networks with a distributed gateway are on every host; of the others at least one is somewhere.
  const needed = networks.filter((one) => one.encap === "vxlan" && isDistributed(one)).length;
  if (countIds(taken) + Math.max(1, needed) <= countIds([VLANS])) return;
  if (needed > 1) throw tooManyDistributed(needed, countIds([VLANS]) - countIds(taken));
  throw new Fault("exhausted", "no VLAN is left for hosts to tag VXLAN networks locally", {
    why: "Vlans of tenants and VLAN networks take all of 1-4094",
    fix: "narrow the Vlans of a tenant",
  });
}

function tooManyDistributed(needed: number, free: number): Fault {
  return new Fault(
    "exhausted",
    `${needed} VXLAN networks with a distributed gateway are too many`,
    {
      why: `each needs a VLAN of its own on every host, and Vlans and VLAN networks leave ${free}`,
      fix: "narrow the Vlans of a tenant, or make some gateways external",
    },
  );
}

function checkDefaults(networks: ReadonlyMap<string, NetworkRecord>): void {
  const defaultByTenant = new Map<string, string>();
  for (const [key, { tenant, default: isDefault }] of networks) {
    if (!isDefault) continue;
    const other = defaultByTenant.get(tenant);
    if (other !== undefined) {
      throw new Fault("usage", `tenant ${tenant} has two default networks`, {
        why: `${nameOf(other)} and ${nameOf(key)}`,
        fix: "leave Default out of one of them",
      });
    }
    defaultByTenant.set(tenant, key);
  }
}

function checkGroups(
  { name, groups = [], policies = [] }: TenantRecord,
  networks: ReadonlyMap<string, NetworkRecord>,
): void {
  const known = new Set(policies.map((policy) => policy.Name));
  for (const group of groups) {
    const what = `group ${group.Name} of tenant ${name}`;
    const network = String(group.Network);
    if (!networks.has(networkKeyOf({ tenant: name, network }))) {
      throw missing(what, `network ${network}`);
    }
    const named = Array.isArray(group.Policies) ? group.Policies : [];
    const lost = named.find((policy) => !known.has(policy));
    if (lost !== undefined) throw missing(what, `policy ${lost}`);
  }
}

function checkMembers(
  tenants: ReadonlyMap<string, TenantRecord>,
  endpoints: ReadonlyMap<string, EndpointRecord>,
): void {
  for (const [key, endpoint] of endpoints) {
    if (endpoint.group === undefined) continue;
    const groups = tenants.get(tenantKeyOf(endpoint))?.groups ?? [];
    const group = groups.find(({ Name }) => Name === endpoint.group);
    if (group?.Network === endpoint.network) continue;
    throw missing(`endpoint ${nameOf(key)}`, `group ${endpoint.group} in its network`);
  }
}

function checkMacs(endpoints: ReadonlyMap<string, EndpointRecord>): void {
  const ownerByMac = new Map<string, string>();
  for (const [key, endpoint] of endpoints) {
    if (endpoint.mac === undefined) continue;
    const place = `${networkKeyOf(endpoint)} ${endpoint.mac}`;
    const other = ownerByMac.get(place);
    if (other !== undefined) {
      throw new Fault("conflict", `MAC ${endpoint.mac} of ${nameOf(key)} is taken`, {
        why: `${nameOf(other)} has it`,
        fix: "choose another one, or leave it out",
      });
    }
    ownerByMac.set(place, key);
  }
}

function missing(what: string, other: string): Fault {
  return new Fault("usage", `${what} names a missing object`, {
    why: `${other} does not exist`,
    fix: "add it, or leave the name out",
  });
}
