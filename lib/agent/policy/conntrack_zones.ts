// Which zones of the connection tracker have to be emptied. A network's zone has the number of its
// access tag, and a tag is given to another network when the first is gone: what was tracked for that
// one would make packets answers that nobody in the new one has asked for. Whose a zone is, is told by
// the cookie of the tag's line in the entry table; so the switch itself remembers it. Pure.

import { tagOfLine } from "../../policy/flows/pipeline.ts";
import { tagsIn } from "./fail_closed.ts";

/** Zones that change hands, and the lines that lead into them for whoever had them. */
export interface Handover {
  readonly zones: readonly number[];
  /** They go first: nothing must be tracked between the emptying and the new lines. */
  readonly doors: readonly string[];
}

/**
 * Returns what is to be done before lines `have` become `want`; nothing where all zones stay with theirs.
 * `former` are lines that were there until a switch lost them: its tracker may have been spared.
 */
export function handoverOf(
  have: ReadonlySet<string>,
  want: readonly string[],
  former: ReadonlySet<string> = new Set(),
): Handover {
  const zones = want.flatMap((line) =>
    have.has(line) || former.has(line) ? [] : tagOfLine(line) ?? []
  );
  if (zones.length === 0) return { zones, doors: [] };
  const fresh = new Set(zones);
  const doors = [...have].filter((line) =>
    line.includes(" table=10,") && [...tagsIn([line])].some((tag) => fresh.has(tag))
  );
  return { zones, doors };
}

/** Returns the lines that tell whose a zone is. */
export function ownersIn(lines: readonly string[]): Set<string> {
  return new Set(lines.filter((line) => tagOfLine(line) !== undefined));
}
