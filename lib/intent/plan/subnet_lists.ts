// Each tenant's list of subnets, as a plan sees it. All commits that add or remove a subnet check and write it.

import { keys, type NetworkRecord } from "../records.ts";
import type { Plan } from "./operation.ts";
import type { Stored } from "./stored.ts";

/** Returns the subnets of each tenant: network by CIDR. */
export function subnetListsOf(stored: Stored): Plan["subnetLists"] {
  const byTenant = Map.groupBy(stored.networks.values(), ({ tenant }: NetworkRecord) => tenant);
  const names = new Set([
    ...byTenant.keys(),
    ...stored.subnets.keys().map((key) => key.slice("subnets/".length)),
  ]);
  return new Map([...names].map((tenant) => [
    tenant,
    {
      ...unreadableSubnets(stored, tenant),
      ...Object.fromEntries((byTenant.get(tenant) ?? []).map(({ subnet, name }) => [subnet, name])),
    },
  ]));
}

/** Subnets of networks that this version cannot read stay in the list. */
function unreadableSubnets({ subnets, unreadable }: Stored, tenant: string) {
  const listed = Object.entries(subnets.get(keys.subnets(tenant))?.networks ?? {});
  return Object.fromEntries(
    listed.filter(([, name]) => unreadable.has(keys.network(tenant, String(name)))),
  );
}
