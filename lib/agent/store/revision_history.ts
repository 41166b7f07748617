// What `history` shows, and what going back to a revision restores. Pure.

import { type IntentChange, recordKeyOf } from "../../intent/intent_changes.ts";
import type { PastRecords } from "../../intent/plan_restore.ts";
import type { Documents } from "../../intent/records.ts";
import { Fault } from "../../util/errors.ts";
import { parseRevision } from "../../util/revision_number.ts";
import type { ChangeItem, HistoryItem } from "../api/intent_requests.ts";
import { findChanges, hasChanges } from "./recorded_changes.ts";
import { type RevisionRecord, revisionsOf } from "./revisions.ts";

/** Returns the history, newest first; of one revision where `only` names it. Faults: usage, not_found. */
export function historyItems(documents: Documents, only?: string): HistoryItem[] {
  const all = revisionsOf(documents);
  const chosen = only === undefined ? all : [findRevision(all, parseRevision(only))];
  return chosen.reverse().map((record) => historyItem(documents, record));
}

function historyItem(documents: Documents, record: RevisionRecord): HistoryItem {
  const { n, at, by, host, source, state, mode, changes: count } = record;
  const changes = recordedChanges(documents, record);
  return {
    ...{
      revision: n,
      at,
      by: by ?? "",
      host: host ?? "",
      source: source ?? "",
      state,
      mode,
      count,
    },
    changes: (changes ?? []).map(changeItem),
    ...(changes ? {} : { isUnknown: true }),
  };
}

/** Returns a change as an item of the history. */
export function changeItem({ op, kind, key, before, after }: IntentChange): ChangeItem {
  return {
    ...{ op, kind, key },
    ...(before ? { before: bare(before) } : {}),
    ...(after ? { after: bare(after) } : {}),
  };
}

/** A record without what only the store needs. */
function bare({ schema: _, ...rest }: { readonly schema: number }): Record<string, unknown> {
  return rest;
}

/** Returns the records that the objects had after revision `to`, of those that have changed since. Faults: not_found, conflict. */
export function pastRecords(documents: Documents, to: number): PastRecords {
  const all = revisionsOf(documents);
  const { state } = to === 0 && all[0]?.n === 1 ? { state: "done" } : findRevision(all, to);
  if (state !== "done") {
    throw new Fault("conflict", `revision ${to} was not completed`, {
      why: state === "applying" ? "it is being applied" : "a later one has finished it",
      fix: "choose another one: see k8contivnet history",
    });
  }
  const past = new Map<string, IntentChange["before"]>();
  for (const record of all.filter(({ n }) => n > to).reverse()) {
    const changes = recordedChanges(documents, record);
    if (!changes) {
      throw new Fault("conflict", `going back to revision ${to} is not possible`, {
        why: `what revision ${record.n} changed is not recorded`,
        fix: "apply the intent of that time",
      });
    }
    for (const change of changes) past.set(recordKeyOf(change), change.before);
  }
  return past;
}

/** Returns what a revision has changed, or was about to change; undefined if that is not recorded. */
function recordedChanges(
  documents: Documents,
  { n, state, changeParts = 0 }: RevisionRecord,
): IntentChange[] | undefined {
  // It is recorded before the first commit: an apply that ended earlier has changed nothing.
  const isBegun = hasChanges(documents, { n, parts: changeParts });
  if (state !== "done" && changeParts > 0 && !isBegun) return [];
  return findChanges(documents, { n, parts: changeParts });
}

function findRevision(all: readonly RevisionRecord[], n: number): RevisionRecord {
  const found = all.find((one) => one.n === n);
  if (found) return found;
  const known = all.length === 0
    ? "nothing was applied yet"
    : `revisions ${all[0]?.n} to ${all.at(-1)?.n} are kept`;
  throw new Fault("not_found", `revision ${n} not found`, {
    why: known,
    fix: "see k8contivnet history",
  });
}
