// Indexes of a store that hosts share, so that an agent reads only what its host needs: documents below `members/`
// that are derived from others, and are written in the same commit. Pure.
//
// Agents of version 0.1.0 write none of them, and ignore what they find below `members/`. Names of tenants begin with
// a letter or digit, so the words with a tilde are free.

import { folderOf, readableAt, whyUnreadable } from "./readable.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type PresenceRecord,
  SCHEMA,
} from "./records.ts";
import { shortId, uuidOf } from "./indexed_documents.ts";
import type { Json } from "../util/json.ts";

/** Which indexes this version writes; agents say it in their presence. */
export const INDEX_VERSION = 1;

/** Folder of all indexes. */
export const INDEX_FOLDER = "members/";

const ATTACHMENTS = "attachments/";
const NAMES = `${INDEX_FOLDER}~names/`;

/** Keys and prefixes of the indexes. */
export const indexKeys = {
  /** Prefix of the attachments of all hosts in a network; each value is the attachment's record. */
  membersOf: (tenant: string, network: string) => `${INDEX_FOLDER}${tenant}/${network}/`,
  /** Prefix of the endpoints whose container or AttachUUID has that name, or that begin of an id. */
  named: (word: string) => `${NAMES}${encodeURIComponent(word)}/`,
  /** Prefix of the presences of all agents, without their heartbeats: written only when they change otherwise. */
  hosts: `${INDEX_FOLDER}~hosts/`,
  /** Prefix of the revisions that are being applied. */
  unfinished: `${INDEX_FOLDER}~unfinished/`,
  /** Prefix of the three that follow. */
  state: `${INDEX_FOLDER}~state/`,
  /** Written by each commit that writes a tenant, a network or the settings of all hosts. */
  intent: `${INDEX_FOLDER}~state/intent`,
  /** Written at the end of each apply. */
  applies: `${INDEX_FOLDER}~state/applies`,
  /** Says that the indexes are complete: then all agents that run write them. */
  complete: `${INDEX_FOLDER}~state/complete`,
} as const;

/** `members/~state/complete`: from its commit on, the indexes of that version are complete. */
interface IndexRecord {
  readonly schema: number;
  readonly version: number;
}

/** `members/~state/applies`: the last apply that has ended. */
export interface AppliesRecord {
  readonly schema: number;
  /** Words of the endpoints that it has added or removed; absent: they are many, or not known. */
  readonly words?: readonly string[];
  /** Revision of this document before; another one has been written meanwhile if it was not that. */
  readonly after?: number;
  /** The highest number of a revision that ended with a write of this document. */
  readonly n?: number;
}

/** Reports whether the indexes are complete, by what the store says. */
export function areIndexesComplete(documents: Documents): boolean {
  const { version = 0 } = readableAt<IndexRecord>(documents, indexKeys.complete) ?? {};
  return version >= INDEX_VERSION;
}

/** One write; `value` undefined deletes. */
export interface IndexWrite {
  readonly key: string;
  readonly value: Json | undefined;
}

/** Returns the key of an attachment's document in the index of its network. */
function memberKey(
  attachmentKey: string,
  { tenant, network }: Pick<AttachmentRecord, "tenant" | "network">,
): string {
  return indexKeys.membersOf(tenant, network) + attachmentKey.slice(ATTACHMENTS.length);
}

/** Returns the key of the attachment that a document of a network's index is the copy of; undefined for others. */
export function attachmentOfMember(key: string): string | undefined {
  const [, tenant = "", , ...rest] = key.split("/");
  if (!key.startsWith(INDEX_FOLDER) || tenant.startsWith("~") || rest.length < 3) return undefined;
  return ATTACHMENTS + rest.join("/");
}

/** Returns the key of the endpoint that a document below named() is about. */
export function endpointOfName(key: string): string {
  return `endpoints/${key.split("/").slice(3).join("/")}`;
}

/** Returns the index documents of the document at `key`, by their keys. */
export function indexOf(key: string, value: unknown): Map<string, Json> {
  const entries = value === undefined || whyUnreadable(key, value) !== undefined
    ? []
    : entriesOf(key, value);
  return new Map(entries);
}

function entriesOf(key: string, value: unknown): [string, Json][] {
  switch (folderOf(key)) {
    case "attachments":
      return [[memberKey(key, value as AttachmentRecord), value as Json]];
    case "endpoints":
      return namesOf(value as EndpointRecord).map((word) => [nameKey(word, key), MARK]);
    case "agents":
      return [[indexKeys.hosts + lastWord(key), withoutHeartbeat(value as PresenceRecord)]];
    case "revisions": {
      const { state } = value as { readonly state: string };
      const isOpen = state === "applying" && isRevision(key);
      return isOpen ? [[indexKeys.unfinished + lastWord(key), MARK]] : [];
    }
    default:
      return [];
  }
}

const MARK = { schema: SCHEMA };

/** Returns the key of the document of the index by which `word` finds an endpoint. */
export function nameKey(word: string, endpointKey: string): string {
  return indexKeys.named(word) + endpointKey.slice("endpoints/".length);
}

/** An endpoint that a set-up made is found by its attachment. */
function namesOf(endpoint: EndpointRecord): string[] {
  if (endpoint.dynamic) return [];
  const uuid = uuidOf(endpoint);
  const byId = typeof uuid === "string" ? [uuid, shortId(uuid)] : [];
  return [...new Set([endpoint.container, ...byId])];
}

/** Also without the time until the next heartbeat, which changes for all hosts whenever one joins. */
function withoutHeartbeat({ at: _, everyMs: __, ...presence }: PresenceRecord): Json {
  return { ...presence, beat: 0 } as unknown as Json;
}

function isRevision(key: string): boolean {
  return /^revisions\/\d+$/.test(key);
}

function lastWord(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** More words than this are not worth their bytes: each agent gets them. */
const MOST_WORDS = 50;

/** Returns the words of endpoints that `writes` add or remove, as far as there is room for them. */
export function wordsIn(writes: Iterable<IndexWrite>): Set<string> {
  const words = new Set<string>();
  for (const { key } of writes) {
    if (key.startsWith(NAMES)) words.add(decodeURIComponent(key.split("/")[2] ?? ""));
    if (words.size > MOST_WORDS) break;
  }
  return words;
}

/** Returns the write that says that apply `n` has ended, which has added or removed endpoints with `words`. */
export function appliesWrite(
  documents: Documents,
  n: number,
  words?: ReadonlySet<string>,
): IndexWrite {
  const { n: last = 0 } = readableAt<AppliesRecord>(documents, indexKeys.applies) ?? {};
  const of = { schema: SCHEMA, n: Math.max(n, last) };
  if (!words) return { key: indexKeys.applies, value: of };
  const after = documents.get(indexKeys.applies)?.revision ?? 0;
  const value = { ...of, after, ...words.size > MOST_WORDS ? {} : { words: [...words] } };
  return { key: indexKeys.applies, value };
}

const OF_INTENT: readonly string[] = ["tenants", "networks", "clusters"];

/**
 * Returns what a commit of `writes` writes to the indexes beside them, given the documents before it; nothing that is
 * in `writes` already.
 */
export function indexWrites(documents: Documents, writes: readonly IndexWrite[]): IndexWrite[] {
  const more = new Map<string, Json | undefined>();
  for (const { key, value } of writes) {
    const before = formerIndexOf(documents, key, value);
    const after = indexOf(key, value);
    for (const gone of before.keys()) if (!after.has(gone)) more.set(gone, undefined);
    for (const [index, json] of after) {
      if (!isSame(before.get(index), json)) more.set(index, json);
    }
    if (OF_INTENT.includes(folderOf(key))) more.set(indexKeys.intent, MARK);
    if (isRevision(key) && value !== undefined && after.size === 0) {
      more.set(indexKeys.applies, appliesWrite(documents, Number(lastWord(key))).value);
    }
  }
  for (const { key } of writes) more.delete(key);
  return [...more].map(([key, value]) => ({ key, value }));
}

function formerIndexOf(documents: Documents, key: string, value: Json | undefined) {
  const before = documents.get(key);
  if (before) return indexOf(key, before.value);
  // What is deleted unseen has one name at least.
  const isUnseen = value === undefined && folderOf(key) === "endpoints";
  return new Map<string, Json>(isUnseen ? [[nameKey(lastWord(key), key), MARK]] : []);
}

function isSame(one: Json | undefined, other: Json): boolean {
  return one === other || (one !== undefined && JSON.stringify(one) === JSON.stringify(other));
}

/** A document of an index that is missing, or that is not what it has to be. */
export interface IndexDifference {
  /** Its key. */
  readonly key: string;
  /** What it has to be; undefined: it has to be deleted. */
  readonly value: Json | undefined;
  /** Key of the document that it is derived from; undefined where that cannot be known. */
  readonly source: string | undefined;
}

/**
 * Returns what has to be written so that the indexes agree with all other documents. What a newer version derives from
 * records that cannot be read here is left to it.
 */
export function indexDifferences(documents: Documents): IndexDifference[] {
  const found: IndexDifference[] = [];
  const desired = new Set<string>();
  for (const [source, { value }] of documents) {
    for (const [key, json] of indexOf(source, value)) {
      desired.add(key);
      if (!isSame(documents.get(key)?.value as Json | undefined, json)) {
        found.push({ key, value: json, source });
      }
    }
  }
  for (const key of documents.keys()) {
    if (!isDerived(key) || desired.has(key)) continue;
    const source = sourceOf(key);
    const isNewer = source !== undefined && documents.has(source) && !readableAt(documents, source);
    if (!isNewer) found.push({ key, value: undefined, source });
  }
  return found;
}

function isDerived(key: string): boolean {
  return key.startsWith(INDEX_FOLDER) && !key.startsWith(indexKeys.state);
}

function sourceOf(key: string): string | undefined {
  if (key.startsWith(NAMES)) return endpointOfName(key);
  if (key.startsWith(indexKeys.hosts)) return keys.presence(lastWord(key));
  if (key.startsWith(indexKeys.unfinished)) return keys.revision(Number(lastWord(key)));
  return attachmentOfMember(key);
}
