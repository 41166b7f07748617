// Chooses the subnet of every network. Within a tenant subnets never overlap; subnets of different tenants may.
// The order is that of tags: fixed, kept, lowest free.

import {
  freeSubnets,
  hostsIn,
  overlap,
  parseAddress,
  parseSubnet,
  type Subnet,
  subnetAround,
  subnetHas,
  subnetHolds,
  subnetToText,
} from "../../ipam/subnets.ts";
import { parseAddressRange, poolSize } from "../../ipam/addresses.ts";
import { reservationOf, reservationOfAll, reservedIn } from "../../ipam/reserved.ts";
import { Fault } from "../../util/errors.ts";
import { type ChosenBy, keys, type TenantRecord } from "../records.ts";
import { poolOf } from "../field_rules.ts";
import { chain, takenFault } from "./claim_holders.ts";
import { nameOf, networkKeyOf } from "./stored.ts";
import { type Choosing, isNamedByFile, mayMove } from "./choose_tags.ts";
import type { DesiredNetwork } from "./desired_types.ts";

/** A chosen subnet. */
export interface ChosenSubnet {
  readonly subnet: Subnet;
  readonly subnetBy: ChosenBy;
}

/** A subnet in use in the tenant, with the key of its network or other owner. */
interface Used {
  readonly subnet: Subnet;
  readonly owner: string;
}

/** Returns the subnet of every desired network. Faults: usage, conflict, exhausted. */
export function chooseSubnets(choosing: Choosing): Map<string, ChosenSubnet> {
  const networksByTenant = Map.groupBy(choosing.desired.networks, ([, { tenant }]) => tenant);
  const fixed = fixedAddresses(choosing);
  const endpoints = Map.groupBy(choosing.desired.endpoints.values(), networkKeyOf);
  const counts = new Map([...endpoints].map(([key, { length }]) => [key, length]));
  const chosen = new Map<string, ChosenSubnet>();
  for (const [tenant, networks] of networksByTenant) {
    const record = choosing.tenants.get(keys.tenant(tenant));
    if (record) chooseInTenant(choosing, { record, networks, fixed, counts, chosen });
  }
  return chosen;
}

interface TenantTask {
  readonly record: TenantRecord;
  readonly networks: readonly (readonly [string, DesiredNetwork])[];
  /** Addresses that the file fixes, by network key: the subnet must contain all of them. */
  readonly fixed: ReadonlyMap<string, readonly number[]>;
  /** How many endpoints there will be, by network key. */
  readonly counts: ReadonlyMap<string, number>;
  readonly chosen: Map<string, ChosenSubnet>;
}

function chooseInTenant(choosing: Choosing, task: TenantTask): void {
  const { record, networks, fixed, counts, chosen } = task;
  const used = foreignSubnets(choosing, record.name);
  const assign = (owner: string, subnet: Subnet, subnetBy: ChosenBy) => {
    chosen.set(owner, { subnet, subnetBy });
    used.push({ subnet, owner });
  };
  for (const [key, network] of networks) {
    const pooled = network.subnet === undefined;
    const subnet = pooled
      ? blockAround(choosing, key, record, fixed.get(key) ?? [])
      : parseSubnet(network.subnet);
    if (!subnet) continue;
    const other = used.find((one) => one.owner !== key && overlap(one.subnet, subnet));
    if (other) throw overlaps(key, subnet, other);
    assign(key, subnet, pooled ? "pool" : "intent");
  }
  for (const [key, network] of networks) {
    const kept = chosen.has(key) ? undefined : storedSubnet(choosing, key, record);
    if (!kept) continue;
    // A subnet that is too small for its endpoints is not kept if blocks of the pool are larger now.
    const mayGrow = record.allocSubnetLen < kept.length && mayMove(choosing, key);
    if (mayGrow && capacity(kept, network) < (counts.get(key) ?? 0)) continue;
    const other = used.find((one) => one.owner !== key && overlap(one.subnet, kept));
    if (!other) assign(key, kept, "pool");
    else if (!mayMove(choosing, key)) {
      throw overlaps(other.owner, other.subnet, { subnet: kept, owner: key });
    }
  }
  const free = freeBlocks(choosing, task, used);
  for (const [key] of networks) if (!chosen.has(key)) assign(key, free(key), "pool");
}

/** Returns the block of the pool with the addresses that the file fixes; undefined where any block will do. */
function blockAround(
  choosing: Choosing,
  key: string,
  tenant: TenantRecord,
  fixed: readonly number[],
): Subnet | undefined {
  const { name, subnetPool, allocSubnetLen } = tenant;
  const [first] = fixed;
  if (first === undefined) return undefined;
  const kept = storedSubnet(choosing, key, tenant);
  if (kept && fixed.every((address) => subnetHas(kept, address))) return undefined;
  const block = subnetAround(first, allocSubnetLen);
  const reserved = reservationOf(hostsIn(block));
  if (subnetHolds(parseSubnet(subnetPool), block) && !reserved) return block;
  throw new Fault("usage", `network ${nameOf(key)} gets no subnet`, {
    why: reserved ??
      `its addresses around ${subnetToText(block)} are outside ${subnetPool} of ${name}`,
    fix: "add SubnetCIDR to it",
  });
}

/** Returns the stored subnet of a network, where it is in the pool or the file names neither of them. */
function storedSubnet(
  choosing: Choosing,
  key: string,
  { name, subnetPool }: TenantRecord,
): Subnet | undefined {
  const record = choosing.stored.networks.get(key);
  const subnet = record && parseSubnet(record.subnet);
  if (!subnet) return undefined;
  const isInPool = subnetHolds(parseSubnet(subnetPool), subnet);
  return isInPool || !isNamedByFile(choosing, key, name) ? subnet : undefined;
}

function capacity(subnet: Subnet, network: DesiredNetwork): number {
  const name = `${network.tenant}/${network.name}`;
  return poolSize(poolOf((field) => `${field} of ${name}`, name, network, subnet));
}

/** Returns a function for the next free block; subnets that networks give up come last. */
function freeBlocks({ stored }: Choosing, { record, networks }: TenantTask, used: readonly Used[]) {
  const pool = parseSubnet(record.subnetPool);
  const length = record.allocSubnetLen;
  const leaving = networks.flatMap(([key]) => stored.networks.get(key)?.subnet ?? []);
  const taken = {
    *[Symbol.iterator]() {
      yield* reserved;
      for (const { subnet } of used) yield subnet;
    },
  };
  const reserved = reservedIn(pool, length);
  const blocks = chain(
    freeSubnets(pool, length, [
      ...reserved,
      ...used.map(({ subnet }) => subnet),
      ...leaving.map((one) => parseSubnet(one)),
    ]),
    freeSubnets(pool, length, taken),
  );
  return (key: string): Subnet => {
    const { value } = blocks.next();
    if (value !== undefined) return value;
    throw new Fault("exhausted", `no subnet is left for ${nameOf(key)}`, {
      why: reservationOfAll(pool) ??
        `no /${length} is free in pool ${record.subnetPool} of ${record.name}`,
      fix: "widen SubnetPool, or add SubnetCIDR",
    });
  };
}

function foreignSubnets({ holders }: Choosing, tenant: string): Used[] {
  const folder = `claims/subnet/${tenant}/`;
  return [...holders.foreign]
    .filter(([claim]) => claim.startsWith(folder))
    .map(([claim, owner]) => ({
      subnet: parseSubnet(claim.slice(folder.length).replace("_", "/")),
      owner,
    }));
}

function fixedAddresses({ desired }: Choosing): Map<string, number[]> {
  const fixed = new Map<string, number[]>();
  for (const [key, { gateway, allocRange }] of desired.networks) {
    const range = allocRange === undefined ? [] : [parseAddressRange(allocRange)];
    fixed.set(key, [
      ...(gateway === undefined ? [] : [parseAddress(gateway)]),
      ...range.flatMap(({ first, last }) => [first, last]),
    ]);
  }
  for (const endpoint of desired.endpoints.values()) {
    if (endpoint.address === undefined) continue;
    fixed.get(networkKeyOf(endpoint))?.push(parseAddress(endpoint.address));
  }
  return fixed;
}

function overlaps(key: string, subnet: Subnet, other: Used): Fault {
  const cidr = subnetToText(subnet);
  if (cidr === subnetToText(other.subnet)) return takenFault(`subnet ${cidr}`, key, other.owner);
  return new Fault("conflict", `subnet ${cidr} of ${nameOf(key)} is taken`, {
    why: `it overlaps ${subnetToText(other.subnet)} of ${nameOf(other.owner)}`,
    fix: "choose another one",
  });
}
