// What `get KIND` shows of the mirror. Pure.

import type { Documents, HostRecord, NetworkRecord, TenantRecord } from "../../intent/records.ts";
import { auditClaims, poolsInUse } from "../../intent/audit.ts";
import { Fault } from "../../util/errors.ts";
import {
  attachmentsOf,
  endpointsOf,
  findNetwork,
  hostsOf,
  networksOf,
  tenantsOf,
} from "../store/documents.ts";
import { attachmentItem, endpointItem, unmatchedItem } from "./items.ts";
import { type Item, named } from "./item_names.ts";
import { contivItems } from "../policy/policy_items.ts";
import { podItems } from "../kube/pod_items.ts";
import type { World } from "../world.ts";

/** Kinds that `get` knows. */
export const KINDS = [
  ...["hosts", "tenants", "networks", "endpoints", "attachments", "policies"] as const,
];

/** Returns the items of `kind` in order, or those that `name` names. Faults: not_found. */
export function listItems(world: World, kind: string, name?: string): readonly Item[] {
  const { documents } = world.store;
  if (kind === "attachments") return sorted(named(attachmentItems(world), name));
  if (kind === "pods") return podItems(world).map((item) => ({ ...item }));
  return recordItems(documents, kind, name);
}

/** Returns the items of a kind that the store alone can tell. Faults: not_found. */
export function recordItems(documents: Documents, kind: string, name?: string): readonly Item[] {
  const items = named(recordsOf(documents, kind), name);
  return KINDS.some((one) => one === kind) ? sorted(items) : items;
}

function recordsOf(documents: Documents, kind: string): readonly Item[] {
  switch (kind) {
    case "hosts":
      return hostsOf(documents).map(bare<HostRecord>);
    case "tenants":
      return tenantsOf(documents).map(bare<TenantRecord>);
    case "networks":
      return networksOf(documents).map(bare<NetworkRecord>);
    case "endpoints":
      return endpointsOf(documents).map((one) => ({ ...endpointItem(one) }));
    case "attachments":
      return [];
    case "policies":
      return contivItems(documents).map((one) => ({ ...one }));
    case "pools":
      return poolsInUse(documents).map((one) => ({ ...one }));
    case "differences":
      return auditClaims(documents).map((one) => ({ ...one }));
    default:
      throw new Fault("not_found", `there is no kind "${kind}"`, {
        fix: `kinds: ${KINDS.join(", ")}`,
      });
  }
}

function attachmentItems({ store, host, tags, unmatched }: World): readonly Item[] {
  const { documents } = store;
  const items = attachmentsOf(documents, host).map((one) => {
    const network = findNetwork(documents, one);
    return attachmentItem(one, (network && tags.tagOf(documents, network)) ?? 0);
  });
  const others = unmatched.list().map(({ pod, reason }) => unmatchedItem(host, pod, reason));
  return [...items, ...others].map((item) => ({ ...item }));
}

/** A record without what only the store needs. */
function bare<T extends { readonly schema: number }>({ schema: _, ...rest }: T): Omit<T, "schema"> {
  return rest;
}

/** Returns items in the order of their JSON, written once each: thousands are compared a dozen times. */
function sorted(items: readonly Item[]): readonly Item[] {
  return items.map((item) => [JSON.stringify(item), item] as const)
    .sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
    .map(([, item]) => item);
}
