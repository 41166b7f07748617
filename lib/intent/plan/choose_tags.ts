// Chooses the tag (VLAN id or VNI) of every network. Tags are unique across tenants: first those that the file
// fixes, then those that networks have and may keep, then the lowest free ones.

import {
  countIds,
  freeIds,
  parseVlanRanges,
  parseVniRange,
  type Range,
  rangesHave,
  rangesToText,
} from "../../ipam/ranges.ts";
import { Fault } from "../../util/errors.ts";
import { type Encap, keys, type NetworkRecord, type TenantRecord } from "../records.ts";
import { checkTag, tagWord } from "../field_rules.ts";
import { rangesKey, sampleOf } from "../new_tenant.ts";
import { tagClaim } from "./claims.ts";
import { chain, type ClaimHolders, holderOf, isFree, takenFault } from "./claim_holders.ts";
import type { LiveAttachments } from "./live.ts";
import { nameOf, type Stored, tenantKeyOf } from "./stored.ts";
import type { Desired, DesiredNetwork } from "./desired_types.ts";

/** A chosen tag. */
export type Tag = Pick<NetworkRecord, "encap" | "tag" | "tagBy">;

/** Input of all choices. */
export interface Choosing {
  readonly stored: Stored;
  readonly desired: Desired;
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly live: LiveAttachments;
  readonly holders: ClaimHolders;
}

/** Returns the tag of every desired network. Faults: usage, conflict, exhausted. */
export function chooseTags(choosing: Choosing): Map<string, Tag> {
  const { desired, tenants, holders } = choosing;
  const tags = new Map<string, Tag>();
  const assign = (key: string, tag: Tag) => {
    tags.set(key, tag);
    holders.allocated.set(tagClaim(tag), key);
  };
  const rest = new Map<string, { readonly encap: Encap; readonly tenant: TenantRecord }>();
  for (const [key, network] of desired.networks) {
    const tenant = tenants.get(tenantKeyOf(network));
    if (!tenant) continue;
    const encap = network.encap ?? tenant.defaultNetType;
    if (network.tag === undefined) rest.set(key, { encap, tenant });
    else assign(key, fixedTag(holders, key, network, encap, network.tag));
  }
  for (const [key, { encap, tenant }] of rest) {
    const kept = keptTag(choosing, key, encap, tenant);
    if (kept) assign(key, kept);
  }
  const free = freeTags(choosing);
  for (const [key, { encap, tenant }] of rest) {
    if (!tags.has(key)) assign(key, { encap, tag: free(key, encap, tenant), tagBy: "pool" });
  }
  return tags;
}

/** Reports whether a value chosen from a pool may change for `key`: the file lists it, no pod uses it. */
export function mayMove(
  { desired, live }: Pick<Choosing, "desired" | "live">,
  key: string,
): boolean {
  return desired.listed.has(key) && !live.has(key);
}

/**
 * Reports whether the file names the network or its tenant. Where it names neither, a value outside of the
 * tenant's pools stays: an interrupted plan may have changed the pool and not yet the network.
 */
export function isNamedByFile(
  { desired: { listed } }: Pick<Choosing, "desired">,
  key: string,
  tenant: string,
): boolean {
  return listed.has(key) || listed.has(keys.tenant(tenant));
}

function fixedTag(
  holders: ClaimHolders,
  key: string,
  network: DesiredNetwork,
  encap: Encap,
  tag: number,
): Tag {
  checkTag((field) => `${field} of ${network.tenant}/${network.name}`, encap, tag);
  const chosen: Tag = { encap, tag, tagBy: "intent" };
  const holder = holderOf(holders, tagClaim(chosen), key);
  if (holder !== undefined) throw takenFault(`${tagWord(encap)} ${tag}`, key, holder);
  return chosen;
}

function keptTag(
  choosing: Choosing,
  key: string,
  encap: Encap,
  tenant: TenantRecord,
): Tag | undefined {
  const record = choosing.stored.networks.get(key);
  if (record?.encap !== encap) return undefined;
  const isInPool = rangesHave(rangesOf(tenant, encap), record.tag);
  if (!isInPool && isNamedByFile(choosing, key, tenant.name)) return undefined;
  const holder = choosing.holders.allocated.get(tagClaim(record));
  if (holder === undefined) return { encap, tag: record.tag, tagBy: "pool" };
  if (mayMove(choosing, key)) return undefined;
  throw takenFault(`${tagWord(encap)} ${record.tag}`, holder, key);
}

/**
 * Returns a function for the next free tag. Tags that remaining networks give up come last: each one that is
 * passed on forces two networks into one commit, and a chain of them may not fit.
 */
function freeTags({ stored, desired, holders }: Choosing) {
  const leaving = new Set<string>();
  for (const key of desired.networks.keys()) {
    const record = stored.networks.get(key);
    if (record && holders.allocated.get(tagClaim(record)) !== key) leaving.add(tagClaim(record));
  }
  const byRanges = new Map<string, Iterator<number>>();
  return (key: string, encap: Encap, tenant: TenantRecord): number => {
    const ranges = rangesOf(tenant, encap);
    const isUsed = (tag: number) => !isFree(holders, tagClaim({ encap, tag }));
    const isLeft = (tag: number) => leaving.has(tagClaim({ encap, tag }));
    const id = `${encap} ${tenant.name}`;
    const tags = byRanges.get(id) ??
      chain(freeIds(ranges, (tag) => isUsed(tag) || isLeft(tag)), freeIds(ranges, isUsed));
    byRanges.set(id, tags);
    const { value } = tags.next();
    if (value === undefined) throw noTagLeft(key, encap, tenant, ranges);
    return value;
  };
}

function noTagLeft(
  key: string,
  encap: Encap,
  { name }: TenantRecord,
  ranges: readonly Range[],
): Fault {
  const field = rangesKey(encap);
  if (ranges.length === 0) {
    return new Fault("usage", `network ${nameOf(key)} gets no ${tagWord(encap)}`, {
      why: `tenant ${name} has no ${field} to choose from`,
      fix: `add ${sampleOf(field)} to the tenant, or PktTag to the network`,
    });
  }
  const count = countIds(ranges);
  return new Fault("exhausted", `no ${tagWord(encap)} is left for ${nameOf(key)}`, {
    why: `${count} of ${count} in ${field} ${rangesToText(ranges).slice(0, 40)} are in use`,
    fix: `widen ${field} of tenant ${name}`,
  });
}

function rangesOf({ vlans, vxlans }: TenantRecord, encap: Encap): readonly Range[] {
  if (encap === "vlan") return vlans === undefined ? [] : parseVlanRanges(vlans);
  return vxlans === undefined ? [] : [parseVniRange(vxlans)];
}
