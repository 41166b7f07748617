// `intent show`: the intent as it is, as a file to apply. `intent example|schema|check FILE`: help with writing one;
// works without an agent.

import { Fault } from "../util/errors.ts";
import { currentIntent } from "./current_intent.ts";
import { readIntentFiles } from "./intent_files.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

export const intent: Command = {
  usage: "intent show [-o json|yaml] | example | schema | check FILE… [--strict]\n" +
    "  show: the intent as it is, of the agent or of --store, as a file for apply -f; what was chosen from a\n" +
    "  pool, and what bind has pinned, is not in it. example, schema: an intent to start from, the JSON schema.\n" +
    "  check: the errors of files: JSON or YAML, folders, or -; what depends on the store, such as what is\n" +
    "  taken, only plan -f FILE knows\n" +
    "  e.g. k8contivnet intent show -o yaml > intent.yaml",
  run: async (shell) => {
    const { args: [word, ...names], options, output } = shell;
    if (word === "show" && names.length === 0) return await showIntent(shell);
    const { intentSchema, parseIntent } = await import("../intent/schema.ts");
    if (word === "example") {
      const { exampleIntent } = await import("../intent/examples/example.ts");
      return output.data(exampleIntent);
    }
    if (word === "schema") return output.data(JSON.stringify(intentSchema(), null, 2));
    const files = [...names, ...options.files];
    if (word === "check" && files.length > 0) {
      const { text, name, warnings, placed } = await readIntentFiles(files, options);
      try {
        const parsed = parseIntent(text, { strict: options.strict });
        const { newTenantWarnings } = await import("../intent/new_tenant.ts");
        const ifNew = parsed.intent.tenants.flatMap(newTenantWarnings);
        const all = [...warnings, ...parsed.warnings, ...ifNew];
        for (const one of all) output.message(`warning: ${one}`);
      } catch (error) {
        throw error instanceof Fault ? await placed(error) : error;
      }
      return output.note(`${name}: ok`);
    }
    throw wrongWords("intent", shell.args, {
      takes: "show, example, schema, or check FILE",
      fix: "k8contivnet intent check FILE",
    });
  },
};

/** Prints the intent as JSON, or as YAML. Faults: usage, and those of currentIntent(). */
async function showIntent(shell: Shell): Promise<void> {
  const { format } = shell.options;
  if (format !== "table" && format !== "json" && format !== "yaml") {
    throw new Fault("usage", `intent show has no -o ${format}`, {
      why: "it prints a file to apply",
      fix: "use json, which is the default, or yaml",
    });
  }
  const { intent } = await currentIntent(shell.target);
  const options = { format: format === "table" ? "json" : format };
  await printValue({ options, output: shell.output }, intent);
}
