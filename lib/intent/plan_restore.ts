// Going back: the plan that gives objects the records that they had. A value that a pool had chosen is taken
// again if nobody has it meanwhile, so that going back at once changes everything back exactly.

import { Fault } from "../util/errors.ts";
import { draftsOf } from "./plan/changes.ts";
import { cascadeDeletions } from "./plan/deletions.ts";
import { storedAsDesired } from "./plan/desired_intent.ts";
import type { Desired } from "./plan/desired_types.ts";
import { liveAttachments, podsOf } from "./plan/live.ts";
import type { Plan } from "./plan/operation.ts";
import { orderOperations } from "./plan/order.ts";
import { setAsideOrphans } from "./plan/orphans.ts";
import {
  endpointKeyOf,
  type ObjectRecord,
  readDocuments,
  type Stored,
  titleOf,
} from "./plan/stored.ts";
import { checkReach } from "./plan/reach_checks.ts";
import { subnetListsOf } from "./plan/subnet_lists.ts";
import { chooseTarget } from "./plan/target.ts";
import { checkTarget } from "./plan/consistency.ts";
import { type Documents, type EndpointRecord, keys } from "./records.ts";

/** Records by key; undefined: there was none. */
export type PastRecords = ReadonlyMap<string, ObjectRecord | undefined>;

/**
 * Returns the operations that give the objects of `past` these records; all others stay. Where a pod is bound
 * stays, too. Faults: conflict (taken meanwhile; in use by pods or children; it would detach pods or give them other
 * addresses, unless `force` is set), exhausted, failed.
 */
export function planRestore(
  documents: Documents,
  past: PastRecords,
  { force = false, skip = 0 }: { readonly force?: boolean; readonly skip?: number } = {},
): Plan {
  const stored = readDocuments(documents);
  const restored = withPast(stored, past);
  const desired: Desired = {
    ...storedAsDesired(restored),
    listed: new Set(past.keys()),
    keepsAliases: true,
    skip,
  };
  cascadeDeletions(desired, stored, force);
  setAsideOrphans(desired, stored);
  if (!force) refuseDetaching(stored, desired);
  const live = liveAttachments(stored, desired);
  const target = chooseTarget(restored, desired, live);
  checkTarget(target);
  const warnings = checkReach(stored, target);
  const drafts = draftsOf(stored, target, {
    live,
    untouched: desired.untouched,
    mayGiveAnew: force,
  });
  return {
    operations: orderOperations(drafts),
    warnings: [...desired.warnings, ...warnings],
    subnetLists: subnetListsOf(stored),
  };
}

/** Returns the records with those of `past` in their place, and without the claims of these objects. */
function withPast(stored: Stored, past: PastRecords): Stored {
  const isPast = (owner: string) => past.has(owner);
  const isTaken = ({ tenant, network, address }: EndpointRecord) => {
    const owner = stored.claims.get(keys.addressClaim(tenant, network, address))?.owner;
    return owner !== undefined && !isPast(owner);
  };
  return {
    ...stored,
    cluster: overlaid("clusters", stored.cluster, past),
    hosts: overlaid("hosts", stored.hosts, past),
    tenants: overlaid("tenants", stored.tenants, past),
    networks: overlaid("networks", stored.networks, past),
    endpoints: overlaid("endpoints", stored.endpoints, past, isTaken),
    claims: new Map(stored.claims.entries().filter(([, { owner }]) => !isPast(owner))),
  };
}

/** Returns what stays first: it keeps the values that pools have chosen for it. */
function overlaid<T extends ObjectRecord>(
  folder: string,
  records: ReadonlyMap<string, T>,
  past: PastRecords,
  isTaken: (endpoint: EndpointRecord) => boolean = () => false,
): Map<string, T> {
  const staying = records.entries().filter(([key]) => !past.has(key));
  const back = past.entries().flatMap(([key, record]): [string, T][] => {
    if (!key.startsWith(`${folder}/`)) return [];
    const known = records.get(key);
    if (known && isDynamic(known)) return [[key, known]];
    if (!record || isDynamic(record)) return [];
    if (folder !== "endpoints") return [[key, record as T]];
    return [[key, pastEndpoint(record as EndpointRecord, known as EndpointRecord, isTaken) as T]];
  });
  return new Map([...staying, ...back]);
}

/** A set-up makes dynamic endpoints, and no intent: they neither come back nor go. */
function isDynamic(record: ObjectRecord): boolean {
  return "dynamic" in record && record.dynamic !== undefined;
}

/**
 * Returns an endpoint as it was. Where its pod is, only set-ups decide. Instead of an address that another endpoint has
 * now it keeps what it has: a third one would only interrupt its pod.
 */
function pastEndpoint(
  record: EndpointRecord,
  known: EndpointRecord | undefined,
  isTaken: (endpoint: EndpointRecord) => boolean,
): EndpointRecord {
  const { bound: _, ...rest } = record;
  const isKept = known && record.addressBy === "pool" && isTaken(record);
  return {
    ...rest,
    ...(isKept ? { address: known.address } : {}),
    ...(known?.bound ? { bound: known.bound } : {}),
  };
}

function refuseDetaching({ attachments, endpoints }: Stored, desired: Desired): void {
  const cut = [...attachments.values()].filter((one) => {
    const key = endpointKeyOf(one);
    return endpoints.has(key) && !desired.endpoints.has(key) && !desired.untouched.has(key);
  });
  const [first] = cut;
  if (!first) return;
  throw new Fault("conflict", `${titleOf(endpointKeyOf(first))} is not deleted`, {
    why: `going back would detach ${podsOf(cut)}`,
    fix: "delete these pods first, or add --force",
  });
}
