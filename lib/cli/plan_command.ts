// `plan`: what an apply, or going back to a revision, would change, as a tree: first what concerns all hosts, then host
// by host the endpoints, and the pods that move, are cut off, get an interface or keep another endpoint.

import type { ChangeItem, PlanAnswer, PlannedOperation } from "../agent/api/intent_requests.ts";
import { Fault } from "../util/errors.ts";
import { changeLines } from "./change_lines.ts";
import { applyMode, asGiven, intentRequest, rollbackRequest } from "./intent_request.ts";
import { hintAtRevision } from "./known_revisions.ts";
import { type Output, paint, printLines, printValue } from "./output.ts";
import type { Command } from "./shell.ts";
import { changeSummary, keptLines } from "./show_changes.ts";

/** Exit code of --detailed-exitcode if something would change. */
const CHANGES = 2;

export const plan: Command = {
  usage: "plan -f FILE [--prune] [--strict] [--detailed-exitcode] | plan --to REV\n" +
    "  shows, host by host, what apply or rollback would change: objects (+ ~ -), and which pods would be\n" +
    "  cut off and for how long, move, get an interface, or keep the endpoint they have until they are set up\n" +
    "  again, though another names them now. FILE is JSON or YAML, a folder, or -; repeatable.\n" +
    "  --detailed-exitcode: exit code 0 if nothing would change, 2 if something would\n" +
    "  e.g. k8contivnet plan -f intent.json --prune",
  run: async (shell) => {
    const { options, output, target } = shell;
    const { to, detailedExitcode } = options;
    if (to !== undefined && options.files.length > 0) {
      throw new Fault("usage", "plan got both -f and --to", {
        why: "a plan is of files, or of going back to a revision",
        fix: "leave one of them out",
      });
    }
    const { request, placed } = to === undefined
      ? await intentRequest(shell, applyMode(shell))
      : asGiven(rollbackRequest(shell, to));
    const answer = await placed(() => target.plan(request));
    for (const warning of answer.warnings) output.message(`warning: ${warning}`);
    if (!await printValue(shell, answer)) {
      printLines(output, planTree(output, answer));
      output.note(changeSummary(answer, "would change"));
      await hintAtRevision(shell, request, answer);
    }
    return detailedExitcode && answer.operations.length > 0 ? CHANGES : 0;
  },
};

const ALL_HOSTS = "all hosts";
const ANY_HOST = "any host (bound where the pod is set up)";

/** Returns the lines of the tree. An agent of an older version answers without changes: then without hosts. */
export function planTree(
  output: Output,
  { operations, changes, hosts = {} }: PlanAnswer,
): string[] {
  if (!changes) return operations.flatMap((one) => changeLines(output, one));
  const byPlace = new Map<string, PlannedOperation[]>();
  for (const [at, operation] of operations.entries()) {
    const place = placeOf(changes[at]);
    byPlace.set(place, [...byPlace.get(place) ?? [], operation]);
  }
  const labels = [...new Set([...byPlace.keys(), ...Object.keys(hosts)])]
    .filter((place) => place !== ALL_HOSTS && place !== ANY_HOST).sort();
  return [ALL_HOSTS, ...labels, ANY_HOST].flatMap((place) => {
    const lines = [
      ...(byPlace.get(place) ?? []).flatMap((one) => changeLines(output, one, "  ")),
      ...impactLines(output, hosts[place]),
    ];
    return lines.length > 0 ? [paint(output, "bold", place), ...lines] : [];
  });
}

/** Returns the host that a change concerns. */
function placeOf(change: ChangeItem | undefined): string {
  if (change?.kind === "host") return change.key;
  if (change?.kind !== "endpoint") return ALL_HOSTS;
  const { pin, host, bound } = { ...change.before, ...change.after } as {
    readonly pin?: { readonly host: string };
    readonly host?: string;
    readonly bound?: { readonly host: string };
  };
  return pin?.host ?? host ?? bound?.host ?? ANY_HOST;
}

const WORDS = {
  cuts: ["cut off", "red"],
  moves: ["moves", "yellow"],
  attaches: ["attached", "green"],
} as const;

function impactLines(output: Output, impact: NonNullable<PlanAnswer["hosts"]>[string] | undefined) {
  const changed = (["cuts", "moves", "attaches"] as const).flatMap((what) => {
    const [word, color] = WORDS[what];
    return (impact?.[what] ?? []).map(({ pod, endpoint, why, until, lasts }) =>
      [
        `  ${paint(output, color, `! ${pod} ${word}`)}: ${why} (${endpoint})`,
        ...until ? [until] : [],
        ...lasts ? [`about ${lasts.seconds} s (${lasts.from})`] : [],
      ].join(", ")
    );
  });
  return [...changed, ...keptLines(output, impact?.keeps ?? [], "  ")];
}
