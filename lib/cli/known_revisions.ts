// Which revision the intent is, and the one before it: hints for those who want to go back.

import type { HistoryItem, IntentRequest, PlanAnswer } from "../agent/api/intent_requests.ts";
import type { Shell } from "./shell.ts";

/** Prints a hint if nothing was to be changed because the user asked for the revision that the intent is. */
export async function hintAtRevision(
  { target, options, output }: Shell,
  { mode, to }: IntentRequest,
  { operations }: PlanAnswer,
): Promise<void> {
  if (mode !== "rollback" || operations.length > 0 || options.format !== "table") return;
  // The command has succeeded, also if nobody answers now.
  const items = await target.history().catch(() => []);
  if (items[0]?.revision !== to) return;
  const before = revisionBefore(items);
  const way = before === undefined ? "" : `; the one before is ${before}`;
  output.note(`revision ${to} is the intent as it is${way}`);
}

/** Returns how to go back, with the revision before the last one if it can be asked for. */
export async function wayBack({ target }: Pick<Shell, "target">): Promise<string> {
  // The caller's mistake is what matters, also if nobody answers.
  const items = await target.history().catch(() => []);
  const word = revisionBefore(items) ?? "REV";
  return `k8contivnet history shows revisions; rollback ${word} goes back to revision ${word}`;
}

/** Returns the last completed revision before the newest; 0 stands before the first. `items` are newest first. */
function revisionBefore([newest, ...older]: readonly HistoryItem[]): number | undefined {
  return older.find(({ state }) => state === "done")?.revision ??
    (newest?.revision === 1 ? 0 : undefined);
}
