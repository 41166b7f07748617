// The first steps of an agent once its store answers: takes its host label, finishes applies that were
// interrupted, and applies the intents that it was started with.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Intents } from "./intents.ts";
import type { Presence } from "./presence.ts";

/** What join() needs. */
export interface JoinParts {
  /** Undefined if the store belongs to this host alone. */
  readonly presence: Presence | undefined;
  readonly intents: Pick<Intents, "apply" | "finishInterrupted">;
  /** Texts of intents to apply, with their names for errors. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** Records the host range of the flag, if one is given. */
  readonly recordHostRange: () => Promise<void>;
  readonly log: Log;
  /** This host's label. */
  readonly host: string;
  /** Called with what joining does next; awaited, as planning a large intent blocks the agent. */
  readonly onStep?: (what: string) => Promise<void>;
}

/** Joins the store. Faults: conflict (another agent has the label), and those of an apply. */
export async function join(
  { presence, intents, files, recordHostRange, log, host, onStep = async () => {} }: JoinParts,
): Promise<void> {
  if (presence) await onStep("taking the host label");
  await presence?.take();
  await onStep("finishing applies that were interrupted");
  for (const { n, isFinished } of await intents.finishInterrupted()) {
    if (isFinished) log.info("finished an interrupted apply", { revision: n });
    else {log.warn("an apply was interrupted and its intent is not recorded; apply it again", {
        revision: n,
      });}
  }
  await recordHostRange();
  for (const { name, text } of files) {
    await onStep(`applying intent ${name}`);
    await applyOne(intents, { name, text, host }, log);
  }
}

async function applyOne(
  intents: Pick<Intents, "apply">,
  { name, text, host }: { readonly name: string; readonly text: string; readonly host: string },
  log: Log,
): Promise<void> {
  try {
    // A large one takes long: planning 100,000 endpoints takes 7 s of a processor.
    log.info("applying intent", { intent: name });
    const origin = { by: "agent", host, source: name === "-" ? "stdin" : name };
    const { operations, warnings } = await intents.apply({ mode: "add", text, origin });
    for (const warning of warnings) log.warn(`${name}: ${warning}`);
    log.info("intent applied", { intent: name, changes: operations.length });
  } catch (error) {
    const { code, what, why, fix } = faultFrom(error);
    throw new Fault(code, `intent ${name}: ${what}`, { why, fix, cause: error });
  }
}
