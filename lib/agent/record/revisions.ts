// The store's history of applies: a record each, which says whether it was done whole. Pure.

import { type Documents, SCHEMA } from "../../intent/records.ts";
import type { IntentRequest } from "../api.ts";

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
  /** What was asked for, where it is short enough to be kept. */
  readonly request?: IntentRequest;
}

/** Gives the record of the next apply. */
export function nextRevision(
  documents: Documents,
  { at, request, changes }: {
    readonly at: string;
    readonly request: IntentRequest;
    readonly changes: number;
  },
): RevisionRecord {
  const n = Math.max(0, ...revisionsOf(documents).map((one) => one.n)) + 1;
  const isShort = new TextEncoder().encode(request.text).length <= TEXT_LIMIT;
  return {
    schema: SCHEMA,
    n,
    at,
    mode: request.mode,
    changes,
    state: "applying",
    ...(isShort ? { request } : {}),
  };
}

/** Finds an apply that was begun and not finished. */
export function interruptedRevision(documents: Documents): RevisionRecord | undefined {
  return revisionsOf(documents).find((one) => one.state === "applying");
}

function revisionsOf(documents: Documents): RevisionRecord[] {
  return [...documents].filter(([key]) => key.startsWith("revisions/"))
    .map(([, { value }]) => value as RevisionRecord);
}
