// Repairs claims that do not agree with the records: leaked claims are deleted, missing ones created again. Documents of
// indexes are repaired in the same way. Pure; the caller plans twice before it acts, and the checks of each commit make
// sure that nothing has changed since.
//
// An address that a pod has at this moment is never released: its claim is kept, whatever its owner.

import { isHeld, whyIndexIsWrong } from "./audit.ts";
import { documentsIn, groups } from "./indexed_documents.ts";
import { endpointClaim, networkClaims } from "./plan/claims.ts";
import type { PlanCheck, PlanWrite } from "./plan/operation.ts";
import { areIndexesComplete, indexDifferences } from "./store_index.ts";
import { folderOf, readableAt, whyUnreadable } from "./readable.ts";
import {
  type AttachmentRecord,
  checkOf,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  type HostNumberRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "./records.ts";

/** The repair of one claim, or why it is kept. */
export interface Repair {
  readonly act: "release" | "rebuild" | "keep";
  /** Key of the claim, or of a document of an index. */
  readonly claim: string;
  readonly why: string;
  /** The commit; both are empty for a claim that is kept. */
  readonly checks: readonly PlanCheck[];
  readonly writes: readonly PlanWrite[];
}

/** Returns the repairs, sorted by the claims' keys. Unreadable documents are left alone. */
export function planRepairs(documents: Documents): Repair[] {
  const recordsByClaim = impliedClaims(documents);
  const found = [
    ...[...recordsByClaim].map(([claim, records]) => repairOfRecord(documents, claim, records)),
    ...[...documents.keys()].filter((key) => key.startsWith("claims/") && !recordsByClaim.has(key))
      .map((claim) => repairOfLeak(documents, claim)),
    ...repairsOfIndexes(documents),
  ];
  return found.filter((one) => one !== undefined).sort((a, b) => a.claim < b.claim ? -1 : 1);
}

/** Indexes are derived from records, which are right. */
function repairsOfIndexes(documents: Documents): Repair[] {
  if (!areIndexesComplete(documents)) return [];
  return indexDifferences(documents).map((one) => ({
    act: one.value === undefined ? "release" : "rebuild",
    claim: one.key,
    why: whyIndexIsWrong(one),
    checks: [one.key, ...one.source === undefined ? [] : [one.source]]
      .map((key) => checkOf(documents, key)),
    writes: [{ key: one.key, value: one.value }],
  }));
}

/** Returns the records that have the value of a claim, by claim; more than one is a conflict. */
function impliedClaims(documents: Documents): Map<string, string[]> {
  const records = new Map<string, string[]>();
  for (const key of [...documents.keys()].sort()) {
    for (const claim of claimsOf(documents, key)) {
      records.set(claim, [...records.get(claim) ?? [], key]);
    }
  }
  return records;
}

function claimsOf(documents: Documents, key: string): string[] {
  const folder = folderOf(key);
  if (folder === "hostnumbers") {
    const host = readableAt<HostNumberRecord>(documents, key);
    return host ? [keys.hostNumberClaim(host.number)] : [];
  }
  if (folder !== "networks" && folder !== "endpoints") return [];
  const record = readableAt<NetworkRecord | EndpointRecord>(documents, key);
  if (!record) return [];
  return "encap" in record ? networkClaims(record) : [endpointClaim(record)];
}

/** A record without its claim gets it, where no other record or pod has it. */
function repairOfRecord(
  documents: Documents,
  claim: string,
  records: readonly string[],
): Repair | undefined {
  const document = documents.get(claim);
  const known = readableAt<ClaimRecord>(documents, claim);
  if (document && (!known || isHeld(documents, claim, known))) return undefined;
  const pods = podsWith(documents, claim);
  const owner = records.find((one) => pods.some(({ endpoint }) => endpoint === one)) ?? records[0];
  if (owner === undefined) return undefined;
  const otherPod = pods.find(({ endpoint }) => endpoint !== owner);
  if (otherPod) return keep(claim, `${otherPod.title} has it, and ${owner} claims it, too`);
  const holder = known && documents.has(known.owner) && !isRecord(documents, known.owner);
  if (holder) return keep(claim, `${known.owner} has it, and ${owner} claims it, too`);
  const value: ClaimRecord = { schema: SCHEMA, owner };
  return {
    act: "rebuild",
    claim,
    why: `${owner} has its value`,
    checks: [claim, owner].map((key) => checkOf(documents, key)),
    writes: [{ key: claim, value: { ...value } }],
  };
}

/** A claim of a value that no record has is released. */
function repairOfLeak(documents: Documents, claim: string): Repair | undefined {
  const known = readableAt<ClaimRecord>(documents, claim);
  if (!known || isHeld(documents, claim, known)) return undefined;
  const { owner } = known;
  const [pod] = podsWith(documents, claim);
  if (pod) return keep(claim, `${pod.title} has it`);
  if (documents.has(owner) && !isRecord(documents, owner)) return keep(claim, `${owner} has it`);
  const unreadable = claim.startsWith("claims/ip/") ? unreadableAttachment(documents) : undefined;
  if (unreadable) return keep(claim, `${unreadable} cannot be read, and may have it`);
  return {
    act: "release",
    claim,
    why: documents.has(owner) ? `${owner} has another value` : `its owner ${owner} does not exist`,
    checks: [claim, owner].map((key) => checkOf(documents, key)),
    writes: [{ key: claim, value: undefined }],
  };
}

function keep(claim: string, why: string): Repair {
  return { act: "keep", claim, why, checks: [], writes: [] };
}

/** Reports whether `key` is a readable record that implies claims. */
function isRecord(documents: Documents, key: string): boolean {
  return ["networks", "endpoints", "hostnumbers"].includes(folderOf(key)) &&
    readableAt(documents, key) !== undefined;
}

/** Returns the pods that have the address of a claim at this moment. */
function podsWith(documents: Documents, claim: string) {
  const [, folder, tenant = "", network = "", address] = claim.split("/");
  if (folder !== "ip") return [];
  return documentsIn<AttachmentRecord>(documents, groups.attachmentsAt(tenant, network))
    .filter(([, { addresses }]) => addresses.some((cidr) => cidr.split("/")[0] === address))
    .map(([, { pod, host, endpoint }]) => ({
      title: `pod ${pod.namespace}/${pod.name} on ${host}`,
      endpoint: keys.endpoint(tenant, network, endpoint),
    }));
}

function unreadableAttachment(documents: Documents): string | undefined {
  return documentsIn(documents, groups.unreadable)
    .map(([key]) => key)
    .find((key) =>
      folderOf(key) === "attachments" && whyUnreadable(key, documents.get(key)?.value)
    );
}
