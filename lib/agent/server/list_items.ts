// What `get KIND` shows of the store's documents. Pure.

import { addressesOfHost, parseHostRange } from "../../ipam/host_range.ts";
import { clusterSettingsIn } from "../../intent/reach_settings.ts";
import { readableAt } from "../../intent/readable.ts";
import {
  type Documents,
  type HostRecord,
  keys,
  type NetworkRecord,
  type PresenceRecord,
  type TenantRecord,
} from "../../intent/records.ts";
import { documentsToIntent, intentToFile } from "../../intent/canonical.ts";
import { lastRevision } from "../store/revisions.ts";
import { auditClaims, poolsInUse } from "../../intent/audit.ts";
import { Fault, isUnreachable } from "../../util/errors.ts";
import {
  attachmentsOf,
  connectionOf,
  endpointsOf,
  findNetwork,
  hostsOf,
  type HostView,
  networksOf,
  reportsOf,
  tenantsOf,
} from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { addressItems } from "./address_items.ts";
import { hostNumberOf } from "../reach/host_number.ts";
import { attachmentItem, endpointItem, unmatchedItem } from "./items.ts";
import { type Item, named } from "./item_names.ts";
import { contivItems } from "../policy/policy_items.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { EventItem, PodItem } from "../api/listed_items.ts";

/** Kinds that `get` knows. */
export const KINDS = [
  ...["hosts", "tenants", "networks", "endpoints", "attachments", "groups", "policies"] as const,
];

/** Kinds that are made from all records of the store: an agent may know a part of them. */
const OF_ALL: readonly string[] = [
  "endpoints",
  "groups",
  "addresses",
  "pods",
  "pools",
  "reports",
  "intent",
  "differences",
];

/** Those of which an agent lists what it knows while the store is unreachable. */
const IF_KNOWN: readonly string[] = ["endpoints", "groups", "pods"];

/** What listing works with. */
export interface ListItemsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "withWhole">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly unmatched: Pick<UnmatchedPods, "list">;
  readonly podItems: (documents: Documents) => readonly PodItem[];
  readonly events: (name: string | undefined) => readonly EventItem[];
}

/** Returns the items of `kind` in order, or those that `name` names. Faults: not_found. */
export async function listItems(
  deps: ListItemsDeps,
  kind: string,
  name?: string,
): Promise<readonly Item[]> {
  if (kind === "attachments") return sorted(named(attachmentItems(deps), name));
  if (kind === "events") return deps.events(name).map((item) => ({ ...item }));
  const list = ({ documents }: { readonly documents: Documents }) => {
    if (kind === "pods") return deps.podItems(documents).map((item) => ({ ...item }));
    if (kind !== "addresses") return recordItems(documents, kind, name);
    return itemsOfAddress(documents, name, deps.events("attach"));
  };
  if (!OF_ALL.includes(kind)) return list(deps.store);
  try {
    return await deps.store.withWhole((cache) => Promise.resolve(list(cache)));
  } catch (error) {
    if (!IF_KNOWN.includes(kind) || !isUnreachable(error)) throw error;
    return list(deps.store);
  }
}

/** Returns the items of a kind that are in the store alone. Faults: not_found. */
export function recordItems(documents: Documents, kind: string, name?: string): readonly Item[] {
  if (kind === "addresses") return itemsOfAddress(documents, name);
  const items = named(recordsOf(documents, kind), name);
  return KINDS.some((one) => one === kind) ? sorted(items) : items;
}

/** An address is asked for by name: there are too many to list. */
function itemsOfAddress(
  documents: Documents,
  name = "",
  events: readonly EventItem[] = [],
): Item[] {
  return addressItems(documents, name, events).map((one) => ({ ...one }));
}

function recordsOf(documents: Documents, kind: string): readonly Item[] {
  switch (kind) {
    case "hosts":
      return hostsOf(documents).map((one) => ({ ...bare(one), ...hostAddresses(documents, one) }));
    case "tenants":
      return tenantsOf(documents).map(bare<TenantRecord>);
    case "networks":
      return networksOf(documents).map((one) => networkItem(documents, one));
    case "endpoints":
      return endpointsOf(documents).map((one) => ({ ...endpointItem(one) }));
    case "attachments":
      return [];
    case "groups":
      return groupItems(documents).map((one) => ({ ...one }));
    case "policies":
      return contivItems(documents).map((one) => ({ ...one }));
    case "pools":
      return poolsInUse(documents).map((one) => ({ ...one }));
    case "reports":
      return reportsOf(documents).map((one) => {
        const { host: name, ...rest } = bare(one);
        return { name, ...rest, ...lifeOf(documents, name) };
      });
    case "intent":
      return [{
        revision: lastRevision(documents),
        intent: intentToFile(documentsToIntent(documents)),
      }];
    case "differences":
      return auditClaims(documents).map((one) => ({ ...one }));
    default:
      throw new Fault("not_found", `kind "${kind}" not found`, {
        fix: `kinds: ${KINDS.join(", ")}`,
      });
  }
}

/** Returns what a host's heartbeat record says of its life: when it was written, how often it is, and whether it is removed. */
function lifeOf(documents: Documents, name: string): Item {
  const { at, everyMs, lost } = readableAt<PresenceRecord>(documents, keys.presence(name)) ?? {};
  return {
    ...at === undefined ? {} : { lastSeen: at },
    ...everyMs === undefined ? {} : { everyMs },
    ...lost ? { lost } : {},
  };
}

function attachmentItems({ store, host, tags, unmatched }: ListItemsDeps): readonly Item[] {
  const { documents } = store;
  const items = attachmentsOf(documents, host).map((one) => {
    const network = findNetwork(documents, one);
    return attachmentItem(one, (network && tags.tagOf(documents, network)) ?? 0);
  });
  const others = unmatched.list().map(({ pod, reason }) => unmatchedItem(host, pod, reason));
  return [...items, ...others].map((item) => ({ ...item }));
}

/** An item of `get groups`. */
export interface GroupItem {
  readonly tenant: string;
  readonly name: string;
  readonly network: string;
  /** Names of policies of the tenant. */
  readonly policies: readonly string[];
  /** `network/endpoint` of its members. */
  readonly endpoints: readonly string[];
}

function groupItems(documents: Documents): GroupItem[] {
  const members = Map.groupBy(
    endpointsOf(documents).filter(({ group }) => group !== undefined),
    ({ tenant, group }) => `${tenant}/${group}`,
  );
  return tenantsOf(documents).flatMap(({ name: tenant, groups = [] }) =>
    groups.map(({ Name, Network = "", Policies }) => ({
      tenant,
      name: String(Name),
      network: String(Network),
      policies: Array.isArray(Policies) ? Policies.map(String) : [],
      endpoints: (members.get(`${tenant}/${Name}`) ?? [])
        .map(({ network, container }) => `${network}/${container}`).sort(),
    }))
  );
}

/** A network, with the defaults of its tenant for how it is connected. */
function networkItem(documents: Documents, network: NetworkRecord): Item {
  const { gatewayType, reach } = connectionOf(documents, network);
  const { tenant, name, ...rest } = bare(network);
  return { tenant, name, ...rest, gatewayType, reach };
}

/** Returns a host's addresses in pods' networks; nothing for a host without a number. */
function hostAddresses(documents: Documents, { name }: HostRecord): Item {
  const number = hostNumberOf(documents, name);
  if (number === undefined) return {};
  const { node, nat } = addressesOfHost(
    parseHostRange(clusterSettingsIn(documents).hostRange),
    number,
  );
  return { node, nat };
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
