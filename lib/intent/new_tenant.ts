// What a tenant needs when it is created, as in the original: what is not said later stays. Checked when a file is read,
// as far as it can be without the store, and when it is planned. Pure.

import { parseSubnet } from "../ipam/subnets.ts";
import type { Encap } from "./records.ts";

/** A tenant, as far as it is known. */
export interface TenantDraft {
  readonly name: string;
  readonly defaultNetType?: Encap;
  readonly subnetPool?: string;
  readonly allocSubnetLen?: number;
  readonly vlans?: string;
  readonly vxlans?: string;
}

/** What decides whether a network's tag is chosen from its tenant's ranges, and from which. */
export interface NetworkDraft {
  readonly name: string;
  readonly encap?: Encap;
  readonly tag?: number;
}

/** Returns the key of the ranges from which tags of `encap` are chosen. */
export function rangesKey(encap: Encap): "Vlans" | "Vxlans" {
  return encap === "vlan" ? "Vlans" : "Vxlans";
}

const SAMPLES = {
  DefaultNetType: '"vxlan"',
  SubnetPool: '"10.1.0.0/16"',
  AllocSubnetLen: "24",
  Vlans: '"100-199"',
  Vxlans: '"10001-14000"',
} as const;

/** Returns a key with a value to start from, as it is written in a file. */
export function sampleOf(key: keyof typeof SAMPLES, value: string = SAMPLES[key]): string {
  return `"${key}": ${value}`;
}

/** Returns the keys that every new tenant needs and `tenant` lacks. */
function missingKeys({ defaultNetType, subnetPool, allocSubnetLen }: TenantDraft) {
  const values = [defaultNetType, subnetPool, allocSubnetLen];
  const needed = ["DefaultNetType", "SubnetPool", "AllocSubnetLen"] as const;
  return needed.filter((_, at) => values[at] === undefined);
}

/** Returns the tenant's type of networks; the one to suggest if it does not say. */
function typeOf({ defaultNetType, vlans, vxlans }: TenantDraft): Encap {
  return defaultNetType ?? (vlans && !vxlans ? "vlan" : "vxlan");
}

/** Returns the keys of the ranges that `tenant` lacks, each with the first network without a PktTag that needs it. */
function missingRanges(
  tenant: TenantDraft,
  networks: readonly NetworkDraft[],
): ReadonlyMap<"Vlans" | "Vxlans", NetworkDraft> {
  const has = { Vlans: Boolean(tenant.vlans), Vxlans: Boolean(tenant.vxlans) };
  const missing = new Map<"Vlans" | "Vxlans", NetworkDraft>();
  for (const network of networks) {
    const key = rangesKey(network.encap ?? typeOf(tenant));
    if (network.tag === undefined && !has[key] && !missing.has(key)) missing.set(key, network);
  }
  return missing;
}

/** Returns what a new tenant lacks, with values to start from that suit those that it has. */
export function whatNewNeeds(tenant: TenantDraft, networks: readonly NetworkDraft[]): string {
  const { subnetPool, allocSubnetLen } = tenant;
  const suiting = {
    DefaultNetType: `"${typeOf(tenant)}"`,
    ...allocSubnetLen !== undefined && allocSubnetLen < 16 ? { SubnetPool: '"10.0.0.0/8"' } : {},
    ...subnetPool === undefined
      ? {}
      : { AllocSubnetLen: String(Math.max(24, parseSubnet(subnetPool).length)) },
  };
  const values: Readonly<Record<string, string>> = { ...SAMPLES, ...suiting };
  return [...missingKeys(tenant), ...missingRanges(tenant, networks).keys()]
    .map((key) => sampleOf(key, values[key])).join(", ");
}

/** Returns a warning for each thing that a tenant of a file needs and lacks, if the store does not have the tenant. */
export function newTenantWarnings(
  tenant: TenantDraft & { readonly networks: readonly NetworkDraft[] },
): string[] {
  const { name, networks } = tenant;
  const missing = missingKeys(tenant);
  const ranges = [...missingRanges(tenant, networks)].map(([key, network]) =>
    `tenant ${name} has no ${key}: needed if it is new, as network ${network.name} has no PktTag`
  );
  const keys = missing.join(", ");
  return missing.length > 0
    ? [`tenant ${name} has no ${keys}: needed if it is new`, ...ranges]
    : ranges;
}
