// The store's documents as typed records. What stands in a store was written by this program or a
// newer one; a document that lacks what every version writes is refused by name, not stumbled over.

import { Fault } from "../../util/errors.ts";
import {
  type AttachmentRecord,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
  type TenantRecord,
} from "../records.ts";

/** Records by key, in the order of keys. */
export interface Stored {
  readonly hosts: ReadonlyMap<string, HostRecord>;
  readonly tenants: ReadonlyMap<string, TenantRecord>;
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly endpoints: ReadonlyMap<string, EndpointRecord>;
  readonly attachments: ReadonlyMap<string, AttachmentRecord>;
  readonly claims: ReadonlyMap<string, ClaimRecord>;
  /** Gives the revision at which `key` was last written; 0 where it is absent. */
  readonly revisionOf: (key: string) => number;
}

/** A record of one of the four kinds of objects that an intent lists. */
export type ObjectRecord = HostRecord | TenantRecord | NetworkRecord | EndpointRecord;

const MUST_HAVE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hosts: { name: "string" },
  tenants: {
    name: "string",
    defaultNetType: "string",
    subnetPool: "string",
    allocSubnetLen: "number",
  },
  networks: {
    tenant: "string",
    name: "string",
    encap: "string",
    tag: "number",
    subnet: "string",
  },
  endpoints: { tenant: "string", network: "string", container: "string", address: "string" },
  attachments: {
    host: "string",
    tenant: "string",
    network: "string",
    endpoint: "string",
    pod: "object",
    addresses: "object",
  },
  claims: { owner: "string" },
};

/** Gives the records of `documents`. Faults: failed, for a document that cannot be read. */
export function readDocuments(documents: Documents): Stored {
  const byFolder = new Map(
    Object.keys(MUST_HAVE).map((folder) => [folder, new Map<string, unknown>()]),
  );
  for (const key of [...documents.keys()].sort()) {
    const folder = key.slice(0, key.indexOf("/"));
    const value = documents.get(key)?.value;
    const records = byFolder.get(folder);
    if (!records) continue;
    checkDocument(key, value, MUST_HAVE[folder] ?? {});
    records.set(key, value);
  }
  const records = <T>(folder: string) => byFolder.get(folder) as ReadonlyMap<string, T>;
  return {
    hosts: records<HostRecord>("hosts"),
    tenants: records<TenantRecord>("tenants"),
    networks: records<NetworkRecord>("networks"),
    endpoints: records<EndpointRecord>("endpoints"),
    attachments: records<AttachmentRecord>("attachments"),
    claims: records<ClaimRecord>("claims"),
    revisionOf: (key) => documents.get(key)?.revision ?? 0,
  };
}

function checkDocument(
  key: string,
  value: unknown,
  mustHave: Readonly<Record<string, string>>,
): void {
  const schema = fieldOf(value, "schema");
  if (typeof schema === "number" && schema > SCHEMA + 1) {
    throw new Fault("failed", `document ${key} is of schema ${schema}`, {
      why: `this version reads up to ${SCHEMA + 1}`,
      fix: "use a newer k8contivnet",
    });
  }
  const wrong = Object.entries(mustHave).find(([field, type]) => {
    const found = fieldOf(value, field);
    return typeof found !== type || found === null;
  });
  if (!wrong) return;
  throw new Fault("failed", `document ${key} cannot be read`, {
    why: `its ${wrong[0]} is no ${wrong[1]}`,
    fix: 'see "k8contivnet ipam check"',
  });
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
}

/** Gives the tenant's key of a network or endpoint. */
export function tenantKeyOf({ tenant }: { readonly tenant: string }): string {
  return keys.tenant(tenant);
}

/** Gives the network's key of an endpoint or attachment. */
export function networkKeyOf(
  { tenant, network }: { readonly tenant: string; readonly network: string },
): string {
  return keys.network(tenant, network);
}

/** Gives the endpoint's key of an attachment. */
export function endpointKeyOf({ tenant, network, endpoint }: AttachmentRecord): string {
  return keys.endpoint(tenant, network, endpoint);
}

/** Gives `tenant/network/container` and the like from a record's key. */
export function nameOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}

/** Gives `network tenant/network` and the like from a record's key. */
export function titleOf(key: string): string {
  return key.replace(/s\//, " ");
}

/** Gives up to three of `names` in words. */
export function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
