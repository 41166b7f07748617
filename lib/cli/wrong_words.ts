// The fault of a command that was given other words than it takes, or none.

import { Fault, oneLine } from "../util/errors.ts";

/** Returns `docs got "x": it takes …`, or `docs needs …` if nothing was given, with the way out. */
export function wrongWords(
  command: string,
  words: readonly string[],
  { takes, fix }: { readonly takes: string; readonly fix: string },
): Fault {
  const given = oneLine(words.join(" "), 60);
  if (given === "") return new Fault("usage", `${command} needs ${takes}`, { fix });
  return new Fault("usage", `${command} got "${given}"`, { why: `it takes ${takes}`, fix });
}
