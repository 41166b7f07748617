// Prints what an apply has changed, or would change.

import type { PlanAnswer } from "../agent/api/intent_requests.ts";
import type { PodImpact } from "../intent/plan_impact.ts";
import { changeLines } from "./change_lines.ts";
import { type Output, paint, printLines, printValue } from "./output.ts";
import type { Shell } from "./shell.ts";

/** Prints operations to stdout, warnings and the summary to stderr. */
export async function showChanges(shell: Shell, answer: PlanAnswer, done: string): Promise<void> {
  const { output } = shell;
  for (const warning of answer.warnings) output.message(`warning: ${warning}`);
  if (answer.detached) output.message(`warning: ${detachedText(answer.detached, done)}`);
  if (await printValue(shell, answer)) return;
  printLines(output, [
    ...answer.operations.flatMap((one) => changeLines(output, one)),
    ...keptLines(output, answer.kept ?? []),
  ]);
  output.note(changeSummary(answer, done));
}

/** Returns a line for each running pod that keeps its endpoint though another names it. */
export function keptLines(output: Output, kept: readonly PodImpact[], indent = ""): string[] {
  return kept.map(({ pod, endpoint, until, why }) =>
    `${indent}${
      paint(output, "yellow", `! ${pod} keeps its endpoint`)
    } ${endpoint} ${until}: ${why}`
  );
}

/** Returns in words how many running pods lose their interface: `done` begins with "would" for a plan. */
function detachedText(count: number, done: string): string {
  const lose = done.startsWith("would ") ? "would lose" : "lost";
  const [pods, its, get, them] = count === 1
    ? ["pod", "its", "it gets", "it"]
    : ["pods", "their", "they get", "them"];
  return `${count} running ${pods} ${lose} ${its} interface; ` +
    `${get} one again when an endpoint or network of the intent selects ${them}`;
}

/** Returns in a line how many objects were changed. */
export function changeSummary({ operations, revision }: PlanAnswer, done: string): string {
  if (operations.length === 0) return "nothing to change";
  const objects = operations.length === 1 ? "1 object" : `${operations.length} objects`;
  return `${done}: ${objects}${revision === undefined ? "" : `, revision ${revision}`}`;
}
