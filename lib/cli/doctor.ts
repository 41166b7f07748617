// `doctor`: checks this host, also when its agent is dead, and says for each problem the way out.

import type { CheckItem } from "../agent/api/agent_health.ts";
import { isSilent } from "../intent/heartbeats.ts";
import { paint, printLines, printValue } from "./output.ts";
import type { Output } from "./output.ts";
import { Fault, oneLine } from "../util/errors.ts";
import type { Command, Shell } from "./shell.ts";

const COLORS = { ok: "green", warning: "yellow", failed: "red" } as const;

export const doctor: Command = {
  usage: "doctor [--host HOST] [-o table|json|yaml]\n" +
    "  checks this host: permissions, Open vSwitch, store, network, agent, and who calls it. One line for\n" +
    "  each check (ok, warning, failed) with the way out. Works without an agent; exit code 1 if a check failed.\n" +
    "  --host: what another host's agent last found there, from the store that both share\n" +
    "  e.g. k8contivnet doctor",
  run: async (shell) => {
    const { host } = shell.options;
    if (host !== undefined) return await otherHost(shell, host);
    const { examineHost } = await import("../agent/doctor/examine_host.ts");
    const answer = await shell.long.run({ what: "doctor" }, () => examineHost(shell.socket));
    if (!await printValue(shell, answer)) {
      printLines(shell.output, doctorLines(shell.output, answer.checks));
      shell.output.note(summary(answer.checks));
    }
    return answer.ok ? 0 : 1;
  },
};

/** Prints the last report of a host. Faults: not_found. */
async function otherHost(shell: Shell, host: string): Promise<number> {
  const reports = await shell.target.list("reports") as unknown as readonly HostReport[];
  const report = reports.find(({ name }) => name === host);
  if (!report) throw withoutReport(host, reports);
  const { name, at, lastSeen } = report;
  const isForgotten = report.lost === true &&
    (await shell.target.list("hosts")).every((one) => one.name !== name);
  const passed = isForgotten ? 0 : report.passed;
  const checks = isForgotten
    ? [forgottenItem(name)]
    : [...silenceItems(report, Date.now()), ...report.checks];
  const ok = checks.every(({ state }) => state !== "failed");
  const beat = lastSeen === undefined ? {} : { lastSeen };
  if (!await printValue(shell, { ok, host: name, at, ...beat, passed, checks })) {
    const seen = lastSeen === undefined ? "" : `, last heartbeat ${lastSeen}`;
    shell.output.note(`host ${name}, examined at ${at}${seen}`);
    printLines(shell.output, doctorLines(shell.output, checks));
    shell.output.note(summary(checks, passed));
  }
  return ok ? 0 : 1;
}

/** An item of `reports`. */
interface HostReport {
  readonly name: string;
  readonly at: string;
  /** When its last heartbeat was written, by its clock. */
  readonly lastSeen?: string;
  /** Milliseconds between heartbeats. */
  readonly everyMs?: number;
  /** gc --host has removed it, and its agent has not written since. */
  readonly lost?: boolean;
  readonly passed: number;
  readonly checks: readonly CheckItem[];
}

/** Returns a failed check for a host that is silent or removed at `nowMs` of the epoch: its report is an old one. */
function silenceItems(
  { name, lastSeen, everyMs, lost = false }: HostReport,
  nowMs: number,
): CheckItem[] {
  if (!lost && !isSilent({ at: lastSeen, everyMs }, nowMs)) return [];
  const ageMs = lastSeen === undefined ? 0 : nowMs - Date.parse(lastSeen);
  const since = lastSeen === undefined ? "" : ` since ${lastSeen}`;
  const seconds = Math.round(ageMs / 1_000);
  return [{
    ...{ id: lost ? "removed-host" : "silent-host", group: "agent", state: "failed" },
    message: lost
      ? `host ${name} was removed by gc --host, and has been silent${since}`
      : `host ${name} has been silent${since}, ${seconds} s by this clock; what follows is older`,
    fix: lost
      ? `start its agent if it is back, or delete the host from the intent: k8contivnet delete -h`
      : `start its agent; if it never comes back: k8contivnet gc --host ${name}`,
  }];
}

/** The host was removed on purpose: its old findings are not shown. */
function forgottenItem(name: string): CheckItem {
  return {
    ...{ id: "removed-host", group: "agent", state: "ok" },
    message: `host ${name} was removed by gc --host and is not in the intent`,
  };
}

function withoutReport(host: string, reports: readonly HostReport[]): Fault {
  const names = reports.map(({ name }) => name).sort().slice(0, 20).join(", ");
  return new Fault("not_found", `host ${oneLine(host, 60)} has left no report`, {
    why: "hosts of a shared store do so, every ten minutes",
    fix: names ? `hosts with one: ${names}` : "run k8contivnet doctor on that host",
  });
}

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

function summary(checks: readonly CheckItem[], passed = 0): string {
  const all = checks.length + passed;
  const count = (state: CheckItem["state"]) => checks.filter((one) => one.state === state).length;
  const [failed, warnings] = [count("failed"), count("warning")];
  const words = all === 1 ? "1 check" : `${all} checks`;
  if (failed + warnings === 0) return `${words}, all ok`;
  return `${words}: ${failed} failed, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
}
