// The number of a revision of the intent, as users write it.

import { Fault } from "./errors.ts";

/** Returns the number of a revision as a user types it. Faults: usage. */
export function parseRevision(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Fault("usage", `"${text.slice(0, 40)}" is not a revision`, {
    why: "it must be a number",
    fix: "see k8contivnet history",
  });
}
