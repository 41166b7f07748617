// `doctor`: checks this host, also when its agent is dead, and says for each problem the way out.

import type { CheckItem } from "../agent/api.ts";
import { paint, printLines, printValue } from "./output.ts";
import type { Output } from "./output.ts";
import type { Command } from "./shell.ts";

const COLORS = { ok: "green", warning: "yellow", failed: "red" } as const;

export const doctor: Command = {
  usage: "doctor [-o table|json|yaml]\n" +
    "  checks this host: permissions, Open vSwitch, store, network, agent, and who calls it. One line for\n" +
    "  each check (ok, warning, failed) with the way out. Works without an agent; exit code 1 if a check failed\n" +
    "  e.g. k8contivnet doctor",
  run: async (shell) => {
    const { examineHost } = await import("../agent/doctor/examine_host.ts");
    const answer = await examineHost(shell.socket);
    if (!await printValue(shell, answer)) {
      printLines(shell.output, doctorLines(shell.output, answer.checks));
      shell.output.message(summary(answer.checks));
    }
    return answer.ok ? 0 : 1;
  },
};

/** Returns the findings by group. */
export function doctorLines(output: Output, checks: readonly CheckItem[]): string[] {
  const groups = Map.groupBy(checks, ({ group }) => group);
  return [...groups].flatMap(([group, items]) => [
    paint(output, "bold", group),
    ...items.map(({ state, message, fix }) =>
      `  ${paint(output, COLORS[state], state.padEnd(7))}  ${message}${fix ? `; ${fix}` : ""}`
    ),
  ]);
}

function summary(checks: readonly CheckItem[]): string {
  const count = (state: CheckItem["state"]) => checks.filter((one) => one.state === state).length;
  const [failed, warnings] = [count("failed"), count("warning")];
  if (failed + warnings === 0) return `${checks.length} checks, all ok`;
  return `${checks.length} checks: ${failed} failed, ${warnings} warnings`;
}
