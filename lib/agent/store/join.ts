// The first steps of an agent once its store answers: takes its host label, finishes applies that were
// interrupted, and applies the intents that it was started with.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { IntentStore } from "./apply.ts";
import type { Presence } from "./presence.ts";

/** What join() needs. */
export interface JoinParts {
  /** Undefined if the store belongs to this host alone. */
  readonly presence: Presence | undefined;
  readonly intents: IntentStore;
  /** Texts of intents to apply, with their names for errors. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly log: Log;
}

/** Joins the store. Faults: conflict (another agent has the label), and those of an apply. */
export async function join({ presence, intents, files, log }: JoinParts): Promise<void> {
  await presence?.take();
  for (const { n, isFinished } of await intents.finishInterrupted()) {
    if (isFinished) log.info("finished an interrupted apply", { revision: n });
    else {log.warn("an apply was interrupted and its intent is not recorded; apply it again", {
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
