// What `get KIND` shows of the store's documents. Pure.

import { addressesOfHost, parseHostRange } from "../../ipam/host_range.ts";
import { clusterSettingsIn } from "../../intent/reach_settings.ts";
import type { Documents, HostRecord, NetworkRecord, TenantRecord } from "../../intent/records.ts";
import { documentsToIntent, intentToFile } from "../../intent/canonical.ts";
import { lastRevision } from "../store/revisions.ts";
import { auditClaims, poolsInUse } from "../../intent/audit.ts";
import { Fault } from "../../util/errors.ts";
import {
  attachmentsOf,
  connectionOf,
  endpointsOf,
  findNetwork,
  hostNumbersOf,
  hostsOf,
  type HostView,
  networksOf,
  presencesOf,
  reportsOf,
  tenantsOf,
} from "../store/documents.ts";
import { attachmentItem, endpointItem, unmatchedItem } from "./items.ts";
import { type Item, named } from "./item_names.ts";
import { contivItems } from "../policy/policy_items.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { PodItem } from "../api.ts";

/** Kinds that `get` knows. */
export const KINDS = [
  ...["hosts", "tenants", "networks", "endpoints", "attachments", "policies"] as const,
];

/** What listing works with. */
export interface ListItemsDeps extends HostView {
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly unmatched: Pick<UnmatchedPods, "list">;
  readonly podItems: () => readonly PodItem[];
}

/** Returns the items of `kind` in order, or those that `name` names. Faults: not_found. */
export function listItems(deps: ListItemsDeps, kind: string, name?: string): readonly Item[] {
  if (kind === "attachments") return sorted(named(attachmentItems(deps), name));
  if (kind === "pods") return deps.podItems().map((item) => ({ ...item }));
  return recordItems(deps.store.documents, kind, name);
}

/** Returns the items of a kind that are in the store alone. Faults: not_found. */
export function recordItems(documents: Documents, kind: string, name?: string): readonly Item[] {
  const items = named(recordsOf(documents, kind), name);
  return KINDS.some((one) => one === kind) ? sorted(items) : items;
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
    case "policies":
      return contivItems(documents).map((one) => ({ ...one }));
    case "pools":
      return poolsInUse(documents).map((one) => ({ ...one }));
    case "reports":
      return reportsOf(documents).map((one) => {
        const { host: name, ...rest } = bare(one);
        const seen = presencesOf(documents).find(({ host }) => host === name)?.at;
        return { name, ...rest, ...seen === undefined ? {} : { lastSeen: seen } };
      });
    case "intent":
      return [{
        revision: lastRevision(documents),
        intent: intentToFile(documentsToIntent(documents)),
      }];
    case "differences":
      return auditClaims(documents).map((one) => ({ ...one }));
    default:
      throw new Fault("not_found", `there is no kind "${kind}"`, {
        fix: `kinds: ${KINDS.join(", ")}`,
      });
  }
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

/** A network, with the defaults of its tenant for how it is connected. */
function networkItem(documents: Documents, network: NetworkRecord): Item {
  const { gatewayType, reach } = connectionOf(documents, network);
  const { tenant, name, ...rest } = bare(network);
  return { tenant, name, ...rest, gatewayType, reach };
}

/** Returns a host's addresses in pods' networks; nothing for a host without a number. */
function hostAddresses(documents: Documents, { name }: HostRecord): Item {
  const { number } = hostNumbersOf(documents).find(({ host }) => host === name) ?? {};
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
