// `intent example|schema|check FILE`: help with writing an intent; works without an agent.

import { Fault } from "../util/errors.ts";
import { readIntentFile } from "./read_intent_file.ts";
import type { Command } from "./shell.ts";

export const intent: Command = {
  usage: "intent example | schema | check FILE [--strict]\n" +
    "  prints an intent to start from, the JSON schema, or the errors of FILE (- is stdin)\n" +
    "  e.g. k8contivnet intent check intent.json",
  run: async ({ args: [word, file], options, output }) => {
    const { intentSchema, parseIntent } = await import("../intent/schema.ts");
    if (word === "example") {
      const { exampleIntent } = await import("../intent/examples/example.ts");
      return output.data(exampleIntent);
    }
    if (word === "schema") return output.data(JSON.stringify(intentSchema(), null, 2));
    if (word === "check" && file) {
      const { warnings } = parseIntent(await readIntentFile(file), { strict: options.strict });
      for (const warning of warnings) output.message(`warning: ${warning}`);
      return output.message(`${file}: ok`);
    }
    throw new Fault("usage", `intent got "${word ?? ""}"`, {
      why: "it takes example, schema, or check FILE",
      fix: "k8contivnet intent check FILE",
    });
  },
};
