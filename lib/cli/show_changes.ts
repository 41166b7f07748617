// Prints what an apply has changed, or would change.

import type { PlanAnswer } from "../agent/api.ts";
import { changeLines } from "./change_lines.ts";
import { printLines, printValue } from "./output.ts";
import type { Shell } from "./shell.ts";

/** Prints operations to stdout, warnings and the summary to stderr. */
export async function showChanges(shell: Shell, answer: PlanAnswer, done: string): Promise<void> {
  const { output } = shell;
  for (const warning of answer.warnings) output.message(`warning: ${warning}`);
  if (await printValue(shell, answer)) return;
  printLines(output, answer.operations.flatMap((one) => changeLines(output, one)));
  output.message(changeSummary(answer, done));
}

/** Returns in a line how many objects were changed. */
export function changeSummary({ operations, revision }: PlanAnswer, done: string): string {
  if (operations.length === 0) return "nothing to change";
  const objects = operations.length === 1 ? "1 object" : `${operations.length} objects`;
  return `${done}: ${objects}${revision === undefined ? "" : `, revision ${revision}`}`;
}
