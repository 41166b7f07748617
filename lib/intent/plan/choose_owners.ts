// Which networks with a distributed gateway have their subnet in the hosts' stacks. A stack has one table of routes,
// so of networks that overlap only one can: the first one owns its subnet, a later one is aliased.
//
// Like other choices this one is kept. In particular, when an owner goes, a network that it had aliased stays
// aliased while pods are attached, as their connections to the outside would break. Without pods it becomes
// an owner as soon as a file names it.

import { overlap, parseSubnet, type Subnet } from "../../ipam/subnets.ts";
import { idOf, isDistributed, reachSettings } from "../reach_settings.ts";
import { keys, type NetworkRecord } from "../records.ts";
import type { ChosenSubnet } from "./choose_subnets.ts";
import { type Choosing, mayMove } from "./choose_tags.ts";
import { tenantKeyOf } from "./stored.ts";

/** What a network's record says of the hosts' stacks: one of the two. */
export type Ownership = Pick<NetworkRecord, "owner" | "aliasedBecause">;

interface Owner {
  readonly subnet: Subnet;
  /** `tenant/network` */
  readonly id: string;
}

/** Returns the ownership of each desired network with a distributed gateway. */
export function chooseOwners(
  choosing: Choosing,
  subnets: ReadonlyMap<string, ChosenSubnet>,
): Map<string, Ownership> {
  const { desired, stored, tenants } = choosing;
  const chosen = new Map<string, Ownership>();
  const owners = foreignOwners(choosing);
  const distributed = [...desired.networks].flatMap(([key, network]) => {
    const { gatewayType } = reachSettings(network, tenants.get(tenantKeyOf(network)));
    const subnet = subnets.get(key)?.subnet;
    if (gatewayType !== "distributed" || !subnet) return [];
    return [{
      key,
      id: idOf(network),
      subnet,
      before: keptRecord(stored.networks.get(key), subnet),
    }];
  });
  const assign = ({ key, id, subnet, before }: typeof distributed[number]) => {
    const other = owners.filter((one) => overlap(one.subnet, subnet));
    const known = other.find((one) => one.id === before?.aliasedBecause);
    const because = (known ?? other[0])?.id;
    if (because === undefined) owners.push({ subnet, id });
    chosen.set(key, because === undefined ? { owner: true } : { aliasedBecause: because });
  };
  for (const one of distributed) if (one.before?.owner) assign(one);
  for (const { key, before } of distributed) {
    if (before?.aliasedBecause === undefined) continue;
    if (mayMove(choosing, key) && !desired.keepsAliases) continue;
    chosen.set(key, { aliasedBecause: before.aliasedBecause });
  }
  for (const one of distributed) if (one.before && !chosen.has(one.key)) assign(one);
  for (const one of distributed) if (!chosen.has(one.key)) assign(one);
  return chosen;
}

/** Returns the stored record of a network, where its ownership is that of the same subnet. */
function keptRecord(record: NetworkRecord | undefined, subnet: Subnet): NetworkRecord | undefined {
  if (!record || !isDistributed(record)) return undefined;
  const { base, length } = parseSubnet(record.subnet);
  return base === subnet.base && length === subnet.length ? record : undefined;
}

/** Returns the owners outside of this plan: networks that this version cannot read, or leaves as they are. */
function foreignOwners({ stored, desired }: Choosing): Owner[] {
  const listed = Object.entries(stored.subnets.get(keys.owners)?.networks ?? {});
  return listed.flatMap(([cidr, id]) => {
    const [tenant = "", name = ""] = String(id).split("/");
    const key = keys.network(tenant, name);
    const isForeign = stored.unreadable.has(key) || desired.untouched.has(key);
    return isForeign ? [{ subnet: parseSubnet(cidr), id: String(id) }] : [];
  });
}
