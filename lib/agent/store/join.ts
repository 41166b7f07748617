// What an agent does first with its store, once it answers: takes its host label, finishes what an
// earlier agent was cut off in, and applies the intents that it was started with.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { IntentStore } from "./apply.ts";
import type { Presence } from "./presence.ts";

/** What joining needs. */
export interface JoinParts {
  /** Undefined where the store is this host's alone. */
  readonly presence: Presence | undefined;
  readonly intents: IntentStore;
  /** Texts of intents to apply, with the names to say in errors. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly log: Log;
}

/** Joins. Faults: conflict (the label is another's); what an intent's apply says. */
export async function join({ presence, intents, files, log }: JoinParts): Promise<void> {
  await presence?.take();
  for (const { n, isFinished } of await intents.finishInterrupted()) {
    if (isFinished) log.info("finished an apply that was cut off", { revision: n });
    else {log.warn("an apply was cut off and its intent is not known; apply it again", {
        revision: n,
      });}
  }
  for (const { name, text } of files) await applyOne(intents, name, text, log);
}

async function applyOne(
  intents: IntentStore,
  name: string,
  text: string,
  log: Log,
): Promise<void> {
  try {
    const { operations, warnings } = await intents.apply({ mode: "add", text });
    for (const warning of warnings) log.warn(`${name}: ${warning}`);
    log.info("intent applied", { intent: name, changes: operations.length });
  } catch (error) {
    const { code, what, why, fix } = faultFrom(error);
    throw new Fault(code, `intent ${name}: ${what}`, { why, fix, cause: error });
  }
}
