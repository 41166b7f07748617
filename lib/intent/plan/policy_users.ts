// References to groups, networks and policies: what is named must exist, and a policy should be used.

import { Fault } from "../../util/errors.ts";
import type { EndpointRecord, NetworkRecord, TenantRecord } from "../records.ts";
import { listNames, nameOf, networkKeyOf, tenantKeyOf } from "./stored.ts";

type Written = Readonly<Record<string, unknown>>;

/** Faults (usage) where a rule or endpoint names a group, or a rule a network, that does not exist. */
export function checkUsers(
  tenants: ReadonlyMap<string, TenantRecord>,
  networks: ReadonlyMap<string, NetworkRecord>,
  endpoints: ReadonlyMap<string, EndpointRecord>,
): void {
  for (const [key, tenant] of tenants) {
    const groups = new Set((tenant.groups ?? []).map(({ Name }) => String(Name)));
    const users = usersByGroup(tenant);
    for (const [name, one] of endpoints) {
      if (one.group === undefined || tenantKeyOf(one) !== key) continue;
      add(users, one.group, `endpoint ${nameOf(name)}`);
    }
    for (const [group, names] of users) {
      if (groups.has(group)) continue;
      throw new Fault("usage", `group ${group} of tenant ${tenant.name} does not exist`, {
        why: `it is named by ${listNames(names)}`,
        fix: "add it to Groups, which replaces all that the tenant has, or change these first",
      });
    }
    for (const { name, network } of rulesWithNetworks(tenant)) {
      if (networks.has(networkKeyOf({ tenant: tenant.name, network }))) continue;
      throw new Fault("usage", `${name} of tenant ${tenant.name} names a missing object`, {
        why: `network ${network} does not exist`,
        fix: "add it, or change the rule",
      });
    }
  }
}

/** Returns a warning for each policy that no group has: it has no effect. */
export function unusedPolicies(tenants: ReadonlyMap<string, TenantRecord>): string[] {
  return [...tenants.values()].flatMap(({ name, groups = [], policies = [] }) => {
    const used = new Set(groups.flatMap(({ Policies }) => Array.isArray(Policies) ? Policies : []));
    return policies.filter(({ Name }) => !used.has(Name))
      .map(({ Name }) => `policy ${name}/${Name} has no effect: no group has it`);
  });
}

function usersByGroup(tenant: TenantRecord): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { name, rule } of rulesOf(tenant)) {
    for (const key of ["FromGroup", "ToGroup"]) {
      if (rule[key] !== undefined) add(users, String(rule[key]), name);
    }
  }
  return users;
}

function rulesWithNetworks(tenant: TenantRecord): { name: string; network: string }[] {
  return rulesOf(tenant).flatMap(({ name, rule }) =>
    ["FromNetwork", "ToNetwork"].flatMap((key) =>
      rule[key] === undefined ? [] : [{ name, network: String(rule[key]) }]
    )
  );
}

function rulesOf({ policies = [] }: TenantRecord): { name: string; rule: Written }[] {
  return policies.flatMap(({ Name, Rules }) =>
    (Array.isArray(Rules) ? Rules as Written[] : [])
      .map((rule) => ({ name: `rule ${rule.Id} of policy ${Name}`, rule }))
  );
}

function add(users: Map<string, string[]>, group: string, user: string): void {
  const known = users.get(group);
  if (known) known.push(user);
  else users.set(group, [user]);
}
