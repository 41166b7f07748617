// The store's documents as typed records. A document without a field that every version writes is unreadable: it
// is reported and left alone.

import { folderOf, whyUnreadable } from "../readable.ts";
import {
  type AttachmentRecord,
  type ClaimRecord,
  type ClusterRecord,
  type Documents,
  type EndpointRecord,
  type HostNumberRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
  type SubnetsRecord,
  type TenantRecord,
} from "../records.ts";
import { endpointClaim, networkClaims } from "./claims.ts";

/** Records by key, in the order of keys. */
export interface Stored {
  /** Empty, or one document. */
  readonly cluster: ReadonlyMap<string, ClusterRecord>;
  readonly hosts: ReadonlyMap<string, HostRecord>;
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly endpoints: ReadonlyMap<string, EndpointRecord>;
  readonly attachments: ReadonlyMap<string, AttachmentRecord>;
  readonly claims: ReadonlyMap<string, ClaimRecord>;
  /** Each tenant's list of subnets, and that of the hosts' stacks. */
  readonly subnets: ReadonlyMap<string, SubnetsRecord>;
  readonly hostNumbers: ReadonlyMap<string, HostNumberRecord>;
  /** Documents that this version cannot read: the reason by key. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** Returns the revision at which `key` was last written; 0 where it is absent. */
  readonly revisionOf: (key: string) => number;
}

/** A record of one of the kinds of objects that an intent states. */
export type ObjectRecord =
  | ClusterRecord
  | HostRecord
  | TenantRecord
  | NetworkRecord
  | EndpointRecord;

const FOLDERS = [
  "clusters",
  "hosts",
  "tenants",
  "networks",
  "endpoints",
  "attachments",
  "claims",
  "subnets",
  "owners",
  "hostnumbers",
] as const;

/** Returns the records of `documents`; unreadable claims still count as claims. */
export function readDocuments(documents: Documents): Stored {
  const byFolder = new Map<string, Map<string, unknown>>(FOLDERS.map((one) => [one, new Map()]));
  const unreadable = new Map<string, string>();
  for (const key of [...documents.keys()].sort()) {
    const records = byFolder.get(folderOf(key));
    if (!records) continue;
    const value = documents.get(key)?.value;
    const why = whyUnreadable(key, value);
    if (why === undefined) records.set(key, value);
    else unreadable.set(key, why);
  }
  const records = <T>(folder: typeof FOLDERS[number]) =>
    byFolder.get(folder) as ReadonlyMap<string, T>;
  const read = {
    cluster: records<ClusterRecord>("clusters"),
    hosts: records<HostRecord>("hosts"),
    tenants: records<TenantRecord>("tenants"),
    networks: records<NetworkRecord>("networks"),
    endpoints: records<EndpointRecord>("endpoints"),
    attachments: records<AttachmentRecord>("attachments"),
    claims: records<ClaimRecord>("claims"),
    subnets: new Map([
      ...records<SubnetsRecord>("subnets"),
      ...records<SubnetsRecord>("owners"),
    ]),
    hostNumbers: records<HostNumberRecord>("hostnumbers"),
  };
  return {
    ...read,
    claims: new Map([...read.claims, ...unreadableClaims(read, unreadable.keys())]),
    unreadable,
    revisionOf: (key) => documents.get(key)?.revision ?? 0,
  };
}

/** An unreadable claim belongs to the record with its value, where there is one; else to an unknown owner. */
function unreadableClaims(
  { networks, endpoints }: Pick<Stored, "networks" | "endpoints">,
  unreadable: Iterable<string>,
): [string, ClaimRecord][] {
  const claims = [...unreadable].filter((key) => folderOf(key) === "claims");
  if (claims.length === 0) return [];
  const owners = new Map([
    ...[...networks].flatMap(([key, one]) => networkClaims(one).map((claim) => [claim, key])),
    ...[...endpoints].map(([key, one]) => [endpointClaim(one), key]),
  ] as [string, string][]);
  return claims.map((key) => [key, { schema: SCHEMA, owner: owners.get(key) ?? UNKNOWN_OWNER }]);
}

const UNKNOWN_OWNER = "a record that cannot be read";

/** Returns the tenant's key of a network or endpoint. */
export function tenantKeyOf({ tenant }: { readonly tenant: string }): string {
  return keys.tenant(tenant);
}

/** Returns the network's key of an endpoint or attachment. */
export function networkKeyOf(
  { tenant, network }: { readonly tenant: string; readonly network: string },
): string {
  return keys.network(tenant, network);
}

/** Returns the endpoint's key of an attachment. */
export function endpointKeyOf({ tenant, network, endpoint }: AttachmentRecord): string {
  return keys.endpoint(tenant, network, endpoint);
}

/** Returns `tenant/network/container` and the like from a record's key. */
export function nameOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}

/** Returns `network tenant/network` and the like from a record's key. */
export function titleOf(key: string): string {
  return key.replace(/s\//, " ");
}

/** Returns up to three of `names`, and how many more there are. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
