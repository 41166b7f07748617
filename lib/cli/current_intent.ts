// The intent as it is in the store, as a file would have it.

import { Fault } from "../util/errors.ts";
import type { Target } from "./shell.ts";

/** The intent and the revision that made it; 0 for none. */
export interface CurrentIntent {
  readonly revision: number;
  readonly intent: unknown;
}

/** Returns the intent. Faults: failed, and those of the list. */
export async function currentIntent(target: Pick<Target, "list">): Promise<CurrentIntent> {
  const [item] = await target.list("intent") as unknown as readonly CurrentIntent[];
  if (!item) throw new Fault("failed", "the agent has not answered with an intent");
  return item;
}
