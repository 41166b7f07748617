// Which revisions of the intent are kept, as the agent's flag says.

import { Fault } from "../../util/errors.ts";

/** Which revisions are kept: the newest ones, and of these the ones that are not too old. The last one always is. */
export interface HistoryLimit {
  readonly count: number;
  readonly ageMs: number;
}

/** Most revisions, where only their age is limited. */
const MOST = 1_000;
const DAY_MS = 86_400_000;

/** Returns the limit of `100` (revisions) or `30d` (days). Faults: usage. */
export function parseHistoryLimit(text: string): HistoryLimit {
  const [, number = "", unit] = /^(\d{1,4})(d?)$/.exec(text) ?? [];
  const value = Number(number);
  if (number !== "" && value > 0 && value <= MOST) {
    return unit === "d"
      ? { count: MOST, ageMs: value * DAY_MS }
      : { count: value, ageMs: Infinity };
  }
  throw new Fault("usage", `--history "${text.slice(0, 40)}" is refused`, {
    why: `it must be a number of revisions, or of days with a d, from 1 to ${MOST}`,
    fix: "use one such as 100, or 30d",
  });
}
