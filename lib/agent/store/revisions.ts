// The history of applies: one record each, which says by whom it was made and whether it was completed. Pure.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { type Documents, SCHEMA } from "../../intent/records.ts";
import type { IntentRequest } from "../api/intent_requests.ts";
import { countParts } from "./apply_requests.ts";

// With the rest of a commit this stays within the store's limit of 512 KiB.
const TEXT_LIMIT = 20 * 1024;

/** `revisions/<n>` */
export interface RevisionRecord {
  readonly schema: number;
  readonly n: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly mode: IntentRequest["mode"];
  /** Objects that the plan changed. */
  readonly changes: number;
  readonly state: "applying" | "done" | "interrupted";
  /** The user; absent from older versions, as the next two. */
  readonly by?: string;
  /** The host that the user was on. */
  readonly host?: string;
  /** The file, or the command. */
  readonly source?: string;
  /** How many documents of recorded_changes.ts contain what was changed; absent from older versions. */
  readonly changeParts?: number;
  /** The request, if it is short enough to be stored in this record. */
  readonly request?: IntentRequest;
  /** Otherwise the number of documents of apply_requests.ts that contain it while it is applied. */
  readonly parts?: number;
}

/** Returns the record of the next apply, with `skip` numbers skipped. */
export function nextRevision(
  documents: Documents,
  { at, request, changes }: {
    readonly at: string;
    readonly request: IntentRequest;
    readonly changes: number;
  },
  skip = 0,
): RevisionRecord {
  const n = lastRevision(documents) + 1 + skip;
  const isShort = new TextEncoder().encode(request.text).length <= TEXT_LIMIT;
  return {
    ...{ schema: SCHEMA, n, at, mode: request.mode, changes, state: "applying" },
    ...request.origin,
    ...(isShort ? { request } : { parts: countParts(request) }),
  };
}

/** Returns the highest number so far, 0 if there is none. */
export function lastRevision(documents: Documents): number {
  return revisionsOf(documents).reduce((most, { n }) => Math.max(most, n), 0);
}

/** Returns the applies that were started and not finished, oldest first. */
export function interruptedRevisions(documents: Documents): RevisionRecord[] {
  return revisionsOf(documents).filter((one) => one.state === "applying");
}

/** Returns all revisions, oldest first. */
export function revisionsOf(documents: Documents): RevisionRecord[] {
  return documentsIn<RevisionRecord>(documents, groups.folder("revisions"))
    .filter(([key]) => isRecordKey(key))
    .map(([, record]) => record)
    .sort((a, b) => a.n - b.n);
}

/** Reports whether a key of the folder is that of a record, and not of what one changed. */
function isRecordKey(key: string): boolean {
  return key.indexOf("/") === key.lastIndexOf("/");
}
