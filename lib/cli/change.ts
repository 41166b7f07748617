// `apply`, `plan`, `delete`, `bind`: change the intent in the store, or show what would change.

import type { IntentRequest, PlanAnswer } from "../agent/api.ts";
import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../util/names.ts";
import { readIntentFile } from "./read_intent_file.ts";
import { paint, printLines, printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const apply: Command = {
  usage: "apply -f FILE [--prune] [--dry-run] [--strict] [--force]\n" +
    "  adds and updates what FILE describes; --prune also deletes everything else\n" +
    "  e.g. k8contivnet apply -f intent.json",
  run: async (shell) => {
    await change(shell, await requestOf(shell, applyMode(shell)));
  },
};

export const plan: Command = {
  usage: "plan -f FILE [--prune] [--strict]\n" +
    "  shows what apply would change, and changes nothing\n" +
    "  e.g. k8contivnet plan -f intent.json",
  run: async (shell) => {
    const request = await requestOf(shell, applyMode(shell));
    await show(shell, await shell.target.plan(request), "would change");
  },
};

export const remove: Command = {
  usage: "delete -f FILE [--dry-run] [--force]\n" +
    "  deletes the endpoints in FILE, networks named without endpoints, tenants without networks\n" +
    "  e.g. k8contivnet delete -f old.json",
  run: async (shell) => await change(shell, await requestOf(shell, "delete")),
};

export const bind: Command = {
  usage: "bind POD HOST [ID]\n" +
    "  pins the endpoints of POD to HOST, and to the container ID where given\n" +
    "  e.g. k8contivnet bind myPod1 host1",
  run: async (shell) => {
    const [pod, host, id, ...rest] = shell.args;
    if (!pod || !host || rest.length > 0) {
      throw new Fault("usage", `bind got ${shell.args.length} arguments`, {
        why: "it takes 2 or 3",
        fix: "bind POD HOST [ID]",
      });
    }
    const binding = {
      Container: parseName("pod", pod, LONG_NAME_LIMIT),
      Host: parseName("host", host, LONG_NAME_LIMIT),
      ...(id ? { AttachUUID: parseSandboxId(id) } : {}),
    };
    const answer = await shell.target.apply({ mode: "bindings", text: JSON.stringify([binding]) });
    await show(shell, answer, "bound");
  },
};

function applyMode({ options }: Shell): IntentRequest["mode"] {
  return options.prune ? "replace" : "add";
}

/** Returns the request for the file of -f. Faults: usage; those of readIntentFile(). */
async function requestOf(shell: Shell, mode: IntentRequest["mode"]): Promise<IntentRequest> {
  const { file, force, strict } = shell.options;
  if (!file || shell.args.length > 0) {
    throw new Fault("usage", "no intent file is given", { fix: "add -f FILE, or -f - for stdin" });
  }
  return { mode, text: await readIntentFile(file), force, strict };
}

/** Applies the request, or plans it with --dry-run, and prints what came of it. */
async function change(shell: Shell, request: IntentRequest): Promise<void> {
  if (shell.options.dryRun) {
    await show(shell, await shell.target.plan(request), "would change");
  } else {
    await show(shell, await shell.target.apply(request), "changed");
  }
}

/** How each change is marked, as in a diff. */
const SIGNS = { create: ["+", "green"], update: ["~", "yellow"], delete: ["-", "red"] } as const;

/** Prints operations to stdout, warnings and the summary to stderr. */
async function show(shell: Shell, answer: PlanAnswer, done: string): Promise<void> {
  const { output } = shell;
  for (const warning of answer.warnings) output.message(`warning: ${warning}`);
  if (await printValue(shell, answer)) return;
  const text = answer.operations.flatMap(({ verb, kind, name, lines }) => {
    const [sign, color] = SIGNS[verb];
    return [paint(output, color, `${sign} ${kind} ${name}`), ...lines.map((line) => `    ${line}`)];
  });
  printLines(output, text);
  output.message(summary(answer, done));
}

function summary({ operations, revision }: PlanAnswer, done: string): string {
  if (operations.length === 0) return "nothing to change";
  const objects = operations.length === 1 ? "1 object" : `${operations.length} objects`;
  return `${done}: ${objects}${revision === undefined ? "" : `, revision ${revision}`}`;
}
