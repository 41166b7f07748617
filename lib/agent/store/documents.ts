// Typed queries on the cached documents; they return only records that this version can read.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { idOf, type ReachSettings, reachSettings, routesOf } from "../../intent/reach_settings.ts";
import { readableAt, whyUnreadable } from "../../intent/readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  type HostNumberRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
  type PresenceRecord,
  type ReportRecord,
  type TenantRecord,
} from "../../intent/records.ts";

import { isSandboxId } from "../../util/names.ts";

/** This host, and the documents of its store. */
export interface HostView {
  /** This host's label. */
  readonly host: string;
  readonly store: { readonly documents: Documents };
}

function find<T>(documents: Documents, group: string): T[] {
  return documentsIn<T>(documents, group).map(([, value]) => value);
}

const inFolder = <T>(documents: Documents, name: string) => find<T>(documents, groups.folder(name));

/**
 * Reports whether the store contains nothing but what agents say of themselves, and indexes: it is new, or its content
 * was lost. Every apply leaves its revision record, however much was deleted since.
 */
export function isBlank(documents: Documents): boolean {
  for (const key of documents.keys()) if (!/^(agents|reports|members)\//.test(key)) return false;
  return true;
}

/** Returns the attachments of `host`. */
export function attachmentsOf(documents: Documents, host: string): AttachmentRecord[] {
  return find(documents, groups.attachmentsOn(host));
}

/** Returns the attachments of all hosts, by a scan of all documents. */
export function allAttachments(documents: Documents): AttachmentRecord[] {
  return scan(documents, "attachments/");
}

/**
 * Returns the attachments in one sandbox of `host`, by its id. Kubelets may pass 12 or more digits of it; the
 * ids of CNI runtimes are any words, of which one may begin like another.
 */
export function attachmentsIn(
  documents: Documents,
  host: string,
  sandbox: string,
): AttachmentRecord[] {
  return find<AttachmentRecord>(documents, groups.attachmentsIn(host, sandbox))
    .filter((one) =>
      one.sandbox === sandbox ||
      (!one.cni && isSandboxId(sandbox) && one.sandbox.startsWith(sandbox))
    );
}

/** Returns the attachments of all hosts in a network. */
export function attachmentsAt(
  documents: Documents,
  { tenant, name }: Pick<NetworkRecord, "tenant" | "name">,
): AttachmentRecord[] {
  return find(documents, groups.attachmentsAt(tenant, name));
}

/** Returns the endpoints that set-ups made; their addresses may be held. */
export function dynamicEndpoints(documents: Documents): EndpointRecord[] {
  return find(documents, groups.dynamicEndpoints);
}

/** Returns all endpoints of a network. */
export function endpointsAt(
  documents: Documents,
  { tenant, name }: Pick<NetworkRecord, "tenant" | "name">,
): EndpointRecord[] {
  return find(documents, groups.endpointsAt(tenant, name));
}

/** Returns all endpoints, by a scan of all documents. */
export function endpointsOf(documents: Documents): EndpointRecord[] {
  return scan(documents, "endpoints/");
}

function scan<T>(documents: Documents, prefix: string): T[] {
  return [...documents].filter(([key, { value }]) =>
    key.startsWith(prefix) && whyUnreadable(key, value) === undefined
  ).map(([, { value }]) => value as T);
}

export const tenantsOf = (documents: Documents) => inFolder<TenantRecord>(documents, "tenants");
export const networksOf = (documents: Documents) => inFolder<NetworkRecord>(documents, "networks");
export const reportsOf = (documents: Documents) => inFolder<ReportRecord>(documents, "reports");
export const presencesOf = (documents: Documents) => inFolder<PresenceRecord>(documents, "agents");
export const hostNumbersOf = (documents: Documents) =>
  inFolder<HostNumberRecord>(documents, "hostnumbers");
export const hostsOf = (documents: Documents) => inFolder<HostRecord>(documents, "hosts");

/** Returns how a network is connected, with the defaults of its tenant. */
export function connectionOf(documents: Documents, network: NetworkRecord): ReachSettings {
  return reachSettings(
    network,
    readableAt<TenantRecord>(documents, keys.tenant(network.tenant)),
  );
}

/** Returns the networks with a distributed gateway, in the order of `tenant/network`. */
export function distributedNetworksOf(documents: Documents): NetworkRecord[] {
  return find<NetworkRecord>(documents, groups.distributedNetworks)
    .sort((a, b) => idOf(a) < idOf(b) ? -1 : 1);
}

/** Returns the networks (`tenant/network`) that each one with a distributed gateway is routed to, by its id. */
export function routesIn(documents: Documents): Map<string, string[]> {
  return routesOf(
    new Map(
      distributedNetworksOf(documents).map((network) => [
        idOf(network),
        { tenant: network.tenant, ...connectionOf(documents, network) },
      ]),
    ),
  );
}

/** Returns the key of an attachment's document. */
export function attachmentKey({ host, sandbox, interface: name }: AttachmentRecord): string {
  return keys.attachment(host, sandbox, name);
}

/** Returns the key of the endpoint of an attachment. */
export function endpointKeyOf({ tenant, network, endpoint }: AttachmentRecord): string {
  return keys.endpoint(tenant, network, endpoint);
}

/** Finds the endpoint of an attachment. */
export function findEndpoint(
  documents: Documents,
  attachment: AttachmentRecord,
): EndpointRecord | undefined {
  return readableAt(documents, endpointKeyOf(attachment));
}

/** Finds a network. */
export function findNetwork(
  documents: Documents,
  { tenant, network }: { readonly tenant: string; readonly network: string },
): NetworkRecord | undefined {
  return readableAt(documents, keys.network(tenant, network));
}
