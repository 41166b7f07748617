// `edit`: the intent in the user's editor, the plan of what was changed there, a question, and the apply. Nothing is
// changed on an error, without a yes, or if somebody else has changed the intent meanwhile.

import type { IntentRequest, PlanAnswer } from "../agent/api/intent_requests.ts";
import { Fault } from "../util/errors.ts";
import { runInTerminal } from "../util/run.ts";
import { unlessAborted } from "../util/async/unless_aborted.ts";
import { currentIntent } from "./current_intent.ts";
import { intentOf } from "./intent_files.ts";
import { originOf } from "./origin.ts";
import { printLines, yamlOf } from "./output.ts";
import { planTree } from "./plan_command.ts";
import { readIntentFile } from "./read_intent_file.ts";
import { changeSummary } from "./show_changes.ts";
import type { Command, Shell } from "./shell.ts";

const HEADER =
  `# The intent as it is. Save and close to see the plan; you are asked before anything is applied.
# What you delete here is deleted; a key of a tenant, or of the whole cluster, that you take out keeps its value.
# Tags, subnets and addresses that are not here were chosen from the pools, and stay.
`;

export const edit: Command = {
  usage: "edit [--yes] [--strict] [--force]\n" +
    "  opens the intent in $VISUAL, $EDITOR or vi, shows the plan of what you changed, asks, and applies it;\n" +
    "  --yes does not ask. If somebody else has changed the intent meanwhile, it is refused, and your text kept\n" +
    "  e.g. EDITOR=nano k8contivnet edit",
  run: async (shell) => {
    if (shell.args.length > 0) {
      throw new Fault("usage", `edit got ${shell.args.length} arguments`, {
        why: "it takes none",
        fix: "k8contivnet edit",
      });
    }
    const { revision, intent } = await currentIntent(shell.target);
    const text = `${HEADER}${await yamlOf(JSON.stringify(intent))}\n`;
    const path = await Deno.makeTempFile({ prefix: "k8contivnet-", suffix: ".yaml" });
    const keep = { isKept: false };
    try {
      await Deno.writeTextFile(path, text);
      await shell.interrupt.during(`nothing was changed; your text is in ${path}`, async () => {
        await shell.interrupt.leaveTo(() => openEditor(path));
        await applyEdited(shell, { path, before: text, base: revision, keep });
      });
    } finally {
      if (!keep.isKept) await Deno.remove(path).catch(() => {});
    }
  },
};

/** Returns the command of the user's editor. */
export function editorOf(env: (name: string) => string | undefined): string {
  return env("VISUAL") || env("EDITOR") || "vi";
}

async function openEditor(path: string): Promise<void> {
  const editor = editorOf((name) => Deno.env.get(name));
  // By a shell, as the variable may have arguments. `nsenter` without a namespace only starts it, and is permitted.
  const shell = ["sh", "-c", `${editor} "$1"`, "editor", path];
  const code = await runInTerminal("nsenter", ["--", ...shell]);
  if (code === 0) return;
  throw new Fault("failed", `editor "${editor.slice(0, 60)}" ended with ${code}`, {
    why: code === 127 ? "command not found" : "nothing is changed",
    fix: "set EDITOR to one that is installed",
  });
}

/** Plans the text, asks, and applies it. Faults: those of both, with where the text is kept. */
async function applyEdited(shell: Shell, { path, before, base, keep }: {
  readonly path: string;
  readonly before: string;
  readonly base: number;
  readonly keep: { isKept: boolean };
}): Promise<void> {
  const { target, options, output, caller } = shell;
  const text = await readIntentFile(path);
  if (text === before) return output.note("nothing was changed");
  keep.isKept = true;
  const given = await kept(path, () => intentOf([{ name: path, text }], options));
  const request: IntentRequest = {
    ...{ mode: "replace", text: given.text, force: options.force, strict: options.strict, base },
    origin: originOf(caller, "edit"),
  };
  const placed = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      throw error instanceof Fault ? await given.placed(error) : error;
    }
  };
  const planned = await kept(path, () => placed(() => target.plan(request)));
  showPlan(shell, planned);
  if (planned.operations.length === 0) keep.isKept = false;
  else if (options.yes || await isConfirmed(shell)) {
    const answer = await kept(path, () => placed(() => target.apply(request)));
    keep.isKept = false;
    output.note(changeSummary(answer, "changed"));
  } else output.message(`nothing is changed; your text is in ${path}`);
}

function showPlan({ output }: Shell, answer: PlanAnswer): void {
  for (const warning of answer.warnings) output.message(`warning: ${warning}`);
  printLines(output, planTree(output, answer));
  output.note(changeSummary(answer, "would change"));
}

/** Adds to a fault where the user's text is. */
async function kept<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, what, why, fix } = error;
    const way = `your text is in ${path}: mend it, and apply it with --prune -f ${path}`;
    throw new Fault(code, what, { why, fix: fix ? `${fix}; ${way}` : way, cause: error });
  }
}

/** Asks on the terminal, or reads the answer from standard input. Ctrl-C is a no. */
async function isConfirmed({ output, interrupt }: Shell): Promise<boolean> {
  output.message("apply this? [y/N]");
  using _held = interrupt.hold();
  const bytes = new Uint8Array(64);
  const read = await unlessAborted(Deno.stdin.read(bytes), interrupt.signal).catch(() => null) ?? 0;
  const [line = ""] = new TextDecoder().decode(bytes.subarray(0, read)).split("\n");
  return /^\s*y(es)?\s*$/i.test(line);
}
