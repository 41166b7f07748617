// Documents with an index, found without a scan of all: by folder, pod, host, network. Unreadable documents are
// in one group of their own.

import { ChangedKeys } from "./changed_keys.ts";
import { folderOf, whyUnreadable } from "./readable.ts";
import { isDistributed } from "./reach_settings.ts";
import type {
  AttachmentRecord,
  Document,
  Documents,
  EndpointRecord,
  NetworkRecord,
} from "./records.ts";

/** Returns the begin of a container's id that Docker shows, and by which endpoints are found. */
export function shortId(id: string): string {
  return id.slice(0, ID_DIGITS);
}

const ID_DIGITS = 12;

/** Names of the groups in which documents are found. */
export const groups = {
  /** Any folder but endpoints and claims, which have more documents than all others together. */
  folder: (folder: string) => `folder ${folder}`,
  /** Endpoints whose container has this name. */
  podName: (name: string) => `pod ${name}`,
  /** Endpoints for a container of this id or name (AttachUUID). */
  uuid: (uuid: string) => `uuid ${uuid}`,
  /** The same by the first 12 of the 12 to 64 digits of the id. */
  shortUuid: (uuid: string) => `id ${shortId(uuid)}`,
  attachmentsOn: (host: string) => `on ${host}`,
  /** Attachments in a sandbox, by the first digits of its id. */
  attachmentsIn: (host: string, sandbox: string) => `in ${host} ${shortId(sandbox)}`,
  attachmentsAt: (tenant: string, network: string) => `at ${tenant}/${network}`,
  /** Endpoints that set-ups made, not the intent. */
  dynamicEndpoints: "dynamic endpoints",
  endpointsAt: (tenant: string, network: string) => `endpoints at ${tenant}/${network}`,
  /** Networks with a distributed gateway: each set-up asks whether there is one. */
  distributedNetworks: "distributed networks",
  /** Claims on addresses of a network. */
  addressesAt: (tenant: string, network: string) => `addresses at ${tenant}/${network}`,
  /** Other claims: VLANs, VNIs, subnets. */
  otherClaims: "other claims",
  /** Documents that this version cannot read. */
  unreadable: "unreadable",
} as const;

/** Returns the groups that the document at `key` is in. */
export function groupsOf(key: string, value: unknown): string[] {
  if (whyUnreadable(key, value) !== undefined) return [groups.unreadable];
  const folder = folderOf(key);
  if (folder === "endpoints") return endpointGroups(value as EndpointRecord);
  if (folder === "claims") return [claimGroup(key)];
  if (folder === "attachments") {
    return [groups.folder(folder), ...attachmentGroups(value as AttachmentRecord)];
  }
  const isOpen = folder === "networks" && isDistributed(value as NetworkRecord);
  return isOpen ? [groups.folder(folder), groups.distributedNetworks] : [groups.folder(folder)];
}

const ADDRESSES = "claims/ip/";

// Allocates nothing but the name: there are as many of these as of all others together.
function claimGroup(key: string): string {
  if (!key.startsWith(ADDRESSES)) return groups.otherClaims;
  const network = key.indexOf("/", ADDRESSES.length);
  const end = key.indexOf("/", network + 1);
  return groups.addressesAt(
    key.slice(ADDRESSES.length, network),
    key.slice(network + 1, end < 0 ? key.length : end),
  );
}

function endpointGroups(endpoint: EndpointRecord): string[] {
  const uuid = uuidOf(endpoint);
  const { tenant, network, container } = endpoint;
  const named = [groups.podName(container), groups.endpointsAt(tenant, network)];
  if (endpoint.dynamic) named.push(groups.dynamicEndpoints);
  return typeof uuid === "string" ? [...named, groups.uuid(uuid), groups.shortUuid(uuid)] : named;
}

function attachmentGroups({ host, sandbox, tenant, network }: AttachmentRecord): string[] {
  return [
    groups.attachmentsOn(host),
    groups.attachmentsIn(host, sandbox),
    groups.attachmentsAt(tenant, network),
  ];
}

/** Returns the id or name of the container that an endpoint is for; a pin without an id clears the intent's. */
export function uuidOf({ pin, attachUuid }: EndpointRecord): string | undefined {
  return pin ? pin.attachUuid : attachUuid;
}

/** A map of documents that maintains its groups, and a journal of changed keys. */
export class IndexedDocuments extends Map<string, Document> {
  readonly journal = new ChangedKeys();
  /** One key, or several: most groups have one member. */
  readonly #keysByGroup = new Map<string, string | Set<string>>();

  /** Returns the keys of a group, in no order. */
  keysIn(group: string): Iterable<string> {
    const found = this.#keysByGroup.get(group);
    return typeof found === "string" ? [found] : found ?? [];
  }

  /** Returns how many documents a group has. */
  countIn(group: string): number {
    const found = this.#keysByGroup.get(group);
    return typeof found === "string" ? 1 : found?.size ?? 0;
  }

  override set(key: string, document: Document): this {
    const before = this.get(key);
    super.set(key, document);
    if (before?.value === document.value) return this;
    this.journal.note(key);
    if (before) this.#leave(key, before);
    for (const group of groupsOf(key, document.value)) this.#join(key, group);
    return this;
  }

  override delete(key: string): boolean {
    const before = this.get(key);
    if (before) {
      this.#leave(key, before);
      this.journal.note(key);
    }
    return super.delete(key);
  }

  override clear(): void {
    super.clear();
    this.journal.noteAll();
    this.#keysByGroup.clear();
  }

  #join(key: string, group: string): void {
    const found = this.#keysByGroup.get(group);
    if (found === undefined) this.#keysByGroup.set(group, key);
    else if (typeof found !== "string") found.add(key);
    else this.#keysByGroup.set(group, new Set([found, key]));
  }

  #leave(key: string, { value }: Document): void {
    for (const group of groupsOf(key, value)) {
      const found = this.#keysByGroup.get(group);
      if (typeof found === "string" || found?.size === 1) this.#keysByGroup.delete(group);
      else found?.delete(key);
    }
  }
}

/** Returns the keys and documents of a group: by the index where there is one, else by a scan. */
export function documentsIn<T>(documents: Documents, group: string): [key: string, value: T][] {
  if (documents instanceof IndexedDocuments) {
    return [...documents.keysIn(group)].map((key) => [key, documents.get(key)?.value as T]);
  }
  return [...documents].filter(([key, { value }]) => groupsOf(key, value).includes(group))
    .map(([key, { value }]) => [key, value as T]);
}

/** Returns how many documents a group has. */
export function countIn(documents: Documents, group: string): number {
  return documents instanceof IndexedDocuments
    ? documents.countIn(group)
    : documentsIn(documents, group).length;
}

/** Follows the changes of documents from one call to the next. */
export class ChangeFollower {
  #documents: Documents | undefined;
  #count = 0;

  /** Returns the keys that changed since the last call; undefined where that is not known: any may have. */
  follow(documents: Documents): ReadonlySet<string> | undefined {
    const journal = documents instanceof IndexedDocuments ? documents.journal : undefined;
    const keys = documents === this.#documents ? journal?.since(this.#count) : undefined;
    this.#documents = documents;
    this.#count = journal?.count ?? 0;
    return keys && new Set(keys);
  }
}
