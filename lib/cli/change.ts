// `apply`, `plan`, `delete`, `bind`: change the intent in the store, or show what would change.

import type { IntentRequest, PlanAnswer } from "../agent/api.ts";
import { Fault } from "../util/errors.ts";
import { parseRevision } from "../util/revision_number.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../util/names.ts";
import { readIntentFile } from "./read_intent_file.ts";
import { printLines, printValue } from "./output.ts";
import { changeLines } from "./change_lines.ts";
import { originOf } from "./origin.ts";
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
  usage: "plan -f FILE [--prune] [--strict] | plan --to REV\n" +
    "  shows what apply, or going back to a revision, would change, and changes nothing\n" +
    "  e.g. k8contivnet plan -f intent.json",
  run: async (shell) => {
    const { to } = shell.options;
    const request = to === undefined
      ? await requestOf(shell, applyMode(shell))
      : rollbackRequest(shell, to);
    await show(shell, await shell.target.plan(request), "would change");
  },
};

export const rollback: Command = {
  usage: "rollback REV [--dry-run] [--force]\n" +
    "  makes the intent what it was after revision REV (0: before the first), as a new revision;\n" +
    "  --force also detaches pods whose endpoints did not exist then\n" +
    "  e.g. k8contivnet rollback 12",
  run: async (shell) => {
    const [revision, ...rest] = shell.args;
    if (!revision || rest.length > 0) {
      throw new Fault("usage", `rollback got ${shell.args.length} arguments`, {
        why: "it takes 1",
        fix: "rollback REV; see k8contivnet history",
      });
    }
    await change(shell, rollbackRequest(shell, revision));
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
    const answer = await shell.target.apply({
      ...{ mode: "bindings", text: JSON.stringify([binding]) },
      origin: originOf(shell.caller, "bind"),
    });
    await show(shell, answer, "bound");
  },
};

function applyMode({ options }: Shell): IntentRequest["mode"] {
  return options.prune ? "replace" : "add";
}

/** Returns the request for the file of -f. Faults: usage; those of readIntentFile(). */
async function requestOf(shell: Shell, mode: IntentRequest["mode"]): Promise<IntentRequest> {
  const { files: [file, ...others], force, strict } = shell.options;
  if (!file || others.length > 0 || shell.args.length > 0) {
    throw new Fault("usage", "no intent file is given", { fix: "add -f FILE, or -f - for stdin" });
  }
  return {
    mode,
    text: await readIntentFile(file),
    force,
    strict,
    origin: originOf(shell.caller, file),
  };
}

/** Returns the request to go back to a revision. Faults: usage. */
function rollbackRequest({ options: { force }, caller }: Shell, revision: string): IntentRequest {
  const to = parseRevision(revision);
  return { mode: "rollback", text: "", to, force, origin: originOf(caller, `rollback ${to}`) };
}

/** Applies the request, or plans it with --dry-run, and prints what came of it. */
async function change(shell: Shell, request: IntentRequest): Promise<void> {
  if (shell.options.dryRun) {
    await show(shell, await shell.target.plan(request), "would change");
  } else {
    await show(shell, await shell.target.apply(request), "changed");
  }
}

/** Prints operations to stdout, warnings and the summary to stderr. */
async function show(shell: Shell, answer: PlanAnswer, done: string): Promise<void> {
  const { output } = shell;
  for (const warning of answer.warnings) output.message(`warning: ${warning}`);
  if (await printValue(shell, answer)) return;
  printLines(output, answer.operations.flatMap((one) => changeLines(output, one)));
  output.message(summary(answer, done));
}

function summary({ operations, revision }: PlanAnswer, done: string): string {
  if (operations.length === 0) return "nothing to change";
  const objects = operations.length === 1 ? "1 object" : `${operations.length} objects`;
  return `${done}: ${objects}${revision === undefined ? "" : `, revision ${revision}`}`;
}
