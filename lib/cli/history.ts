// `history [REV]`: the changes of the intent, newest first.

import type { ChangeItem, HistoryItem } from "../agent/api/intent_requests.ts";
import { Fault } from "../util/errors.ts";
import { changeLines } from "./change_lines.ts";
import { paint, printLines, printValue, table } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const history: Command = {
  usage: "history [REV] [-p] [-o table|json|yaml|name]\n" +
    "  the changes of the intent, newest first: who made each, when, from which file, how many objects;\n" +
    "  -p also shows what it changed\n" +
    "  e.g. k8contivnet history -p",
  run: async (shell) => {
    const { args: [revision, ...rest], options, output } = shell;
    if (rest.length > 0) {
      throw new Fault("usage", `history got ${shell.args.length} arguments`, {
        fix: "history [REV]",
      });
    }
    const items = await shell.target.history(revision);
    if (await printValue(shell, items)) return;
    if (options.format === "name") {
      return printLines(output, items.map((one) => String(one.revision)));
    }
    if (items.length === 0) return output.note("no revisions");
    if (options.patch) return await showPatches(shell, items);
    output.data(table(HEADS, items.map(rowOf)));
  },
};

const HEADS = ["REVISION", "AT", "BY", "HOST", "SOURCE", "CHANGES"];

function rowOf(item: HistoryItem): string[] {
  const { revision, at, by, host, source } = item;
  return [String(revision), at, by || "-", host || "-", source || "-", changesText(item)];
}

/** Returns how many objects a revision changed in which way, and whether it was completed. */
function changesText({ state, count, changes, isUnknown }: HistoryItem): string {
  const done = isUnknown ? `${count}, not recorded` : countsText(changes);
  return state === "done" ? done : `${done} (${state})`;
}

function countsText(changes: readonly ChangeItem[]): string {
  const words = { create: "created", update: "updated", delete: "deleted" } as const;
  const counts = (["create", "update", "delete"] as const).flatMap((op) => {
    const count = changes.filter((one) => one.op === op).length;
    return count > 0 ? [`${count} ${words[op]}`] : [];
  });
  return counts.join(", ") || "none";
}

async function showPatches(
  { output }: Shell,
  items: readonly HistoryItem[],
): Promise<void> {
  const { itemText } = await import("../intent/plan/change_text.ts");
  const lines = items.flatMap((item) => {
    const { revision, at, by, host, source } = item;
    const title = `revision ${revision}, ${at}, by ${by || "unknown"} on ${host || "unknown"}` +
      (source ? `, from ${source}` : "") + (item.state === "done" ? "" : ` (${item.state})`);
    const changes = item.changes.flatMap((one) =>
      changeLines(output, { ...one, verb: one.op, name: one.key, lines: itemText(one) }, "  ")
    );
    const unknown = item.isUnknown ? [`  ${item.count} objects, not recorded`] : [];
    return [paint(output, "bold", title), ...unknown, ...changes, ""];
  });
  printLines(output, lines.slice(0, -1));
}
