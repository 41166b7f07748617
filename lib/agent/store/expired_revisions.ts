// Which revisions are no longer kept. Pure.

import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import type { Documents } from "../../intent/records.ts";
import type { Write } from "../../store/store.ts";
import type { HistoryLimit } from "./history_limit.ts";
import { revisionsOf } from "./revisions.ts";

// All agents cache them: whatever the limit, no more than this.
const MOST_CHARACTERS = 16 * 1024 * 1024;

/** Returns the deletions of revisions beyond `limit`; of applies in progress none. */
export function expiredRevisions(
  documents: Documents,
  { count, ageMs }: HistoryLimit,
  nowMs: number,
): Write[] {
  const keysByRevision = Map.groupBy(
    documentsIn<{ readonly n: number; readonly text?: string }>(
      documents,
      groups.folder("revisions"),
    ),
    ([, { n }]) => n,
  );
  let [kept, characters] = [0, 0];
  return revisionsOf(documents).reverse().flatMap(({ n, at, state }) => {
    const own = keysByRevision.get(n) ?? [];
    characters += own.reduce((sum, [, { text = "" }]) => sum + text.length, 0);
    const isOld = nowMs - Date.parse(at) > ageMs;
    const isKept = kept === 0 || state === "applying" ||
      (kept < count && !isOld && characters <= MOST_CHARACTERS);
    kept++;
    return isKept ? [] : own.map(([key]) => ({ key, value: undefined }));
  });
}
