// Typed looks into the mirror's documents.

import {
  type AttachmentRecord,
  type EndpointRecord,
  type HostRecord,
  keys,
  type NetworkRecord,
  type PresenceRecord,
  type TenantRecord,
} from "../../intent/records.ts";
import type { Document } from "./mirror.ts";

type Documents = ReadonlyMap<string, Document>;

function* below<T>(documents: Documents, prefix: string): Generator<T> {
  for (const [key, { value }] of documents) if (key.startsWith(prefix)) yield value as T;
}

/** Gives the attachments of `host`. */
export function attachmentsOf(documents: Documents, host: string): AttachmentRecord[] {
  return [...below<AttachmentRecord>(documents, `attachments/${host}/`)];
}

/** Gives the attachments of all hosts. */
export function allAttachments(documents: Documents): AttachmentRecord[] {
  return [...below<AttachmentRecord>(documents, "attachments/")];
}

/** Gives the attachments in one sandbox of `host`, whose id may be given by 12 or more digits. */
export function attachmentsIn(
  documents: Documents,
  host: string,
  sandbox: string,
): AttachmentRecord[] {
  return [...below<AttachmentRecord>(documents, `attachments/${host}/${sandbox}`)];
}

export const tenantsOf = (documents: Documents) => [...below<TenantRecord>(documents, "tenants/")];
export const networksOf = (documents: Documents) => [
  ...below<NetworkRecord>(documents, "networks/"),
];
export const endpointsOf = (documents: Documents) => [
  ...below<EndpointRecord>(documents, "endpoints/"),
];
export const presencesOf = (documents: Documents) => [
  ...below<PresenceRecord>(documents, "agents/"),
];
export const hostsOf = (documents: Documents) => [...below<HostRecord>(documents, "hosts/")];

/** Key of an attachment's document. */
export function attachmentKey({ host, sandbox, interface: name }: AttachmentRecord): string {
  return keys.attachment(host, sandbox, name);
}

/** Key of the endpoint's document that an attachment realises. */
export function endpointKeyOf({ tenant, network, endpoint }: AttachmentRecord): string {
  return keys.endpoint(tenant, network, endpoint);
}

/** Finds the endpoint that an attachment realises. */
export function findEndpoint(
  documents: Documents,
  attachment: AttachmentRecord,
): EndpointRecord | undefined {
  return documents.get(endpointKeyOf(attachment))?.value as EndpointRecord | undefined;
}

/** Finds a network. */
export function findNetwork(
  documents: Documents,
  { tenant, network }: { readonly tenant: string; readonly network: string },
): NetworkRecord | undefined {
  return documents.get(keys.network(tenant, network))?.value as NetworkRecord | undefined;
}
