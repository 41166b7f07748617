// Requests of applies in progress that are too long for the revision record: stored in documents of their
// own, so that any agent can finish an apply that a crash interrupted. They are deleted when it is done.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import { folderOf } from "../../intent/readable.ts";
import { type Documents, keys, REQUESTS, SCHEMA } from "../../intent/records.ts";
import type { Write } from "../../store/store.ts";
import type { IntentRequest } from "../api/intent_requests.ts";

// UTF-16 units. In JSON within JSON each takes at most 3 bytes; a commit can carry 512 KiB.
const PART_LENGTH = 150_000;

/** `requests/<n>/<part>` */
interface RequestPart {
  readonly schema: number;
  readonly text: string;
}

/** What a revision record contains of its request. */
interface RecordedRequest {
  readonly n: number;
  readonly request?: IntentRequest;
  readonly parts?: number;
}

/** Returns how many documents a request takes. */
export function countParts(request: IntentRequest): number {
  return Math.ceil(JSON.stringify(request).length / PART_LENGTH);
}

/** Returns the documents of the request of revision `n`; each fits into a commit of its own. */
export function requestWrites(n: number, request: IntentRequest): Write[] {
  const text = JSON.stringify(request);
  return Array.from({ length: countParts(request) }, (_, part) => {
    const piece = text.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH);
    return { key: keys.requestPart(n, part), value: { schema: SCHEMA, text: piece } };
  });
}

/** Finds the request of a revision; undefined if a crash came before all of it was stored. */
export function findRequest(
  documents: Documents,
  { n, request, parts = 0 }: RecordedRequest,
): IntentRequest | undefined {
  if (request || parts === 0) return request;
  const pieces = Array.from({ length: parts }, (_, part) => {
    const document = documents.get(keys.requestPart(n, part));
    return (document?.value as RequestPart | undefined)?.text;
  });
  return pieces.every((one) => one !== undefined) ? JSON.parse(pieces.join("")) : undefined;
}

/** Returns the deletions of the stored requests of all revisions for which `isOver` is true. */
export function requestDeletions(documents: Documents, isOver: (n: number) => boolean): Write[] {
  return documentsIn(documents, groups.folder(folderOf(REQUESTS))).map(([key]) => key)
    .filter((key) => isOver(Number(key.split("/")[1])))
    .map((key) => ({ key, value: undefined }));
}
