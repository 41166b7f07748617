// `intent example|schema|check FILE`: help with writing an intent; works without an agent.

import { Fault } from "../util/errors.ts";
import { readIntentFiles } from "./intent_files.ts";
import type { Command } from "./shell.ts";

export const intent: Command = {
  usage: "intent example | schema | check FILE… [--strict]\n" +
    "  prints an intent to start from, the JSON schema, or the errors of files: JSON or YAML, folders, or -\n" +
    "  e.g. k8contivnet intent check intent.json",
  run: async ({ args: [word, ...names], options, output }) => {
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
        for (const one of [...warnings, ...parsed.warnings]) output.message(`warning: ${one}`);
      } catch (error) {
        throw error instanceof Fault ? await placed(error) : error;
      }
      return output.message(`${name}: ok`);
    }
    throw new Fault("usage", `intent got "${word ?? ""}"`, {
      why: "it takes example, schema, or check FILE",
      fix: "k8contivnet intent check FILE",
    });
  },
};
