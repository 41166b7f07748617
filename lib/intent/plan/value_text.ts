// The value of a field, and how it differs from an earlier one, as text on one line. Pure.

import { oneLine } from "../../util/errors.ts";

const LONGEST = 100;
/** How much is kept, on each side, of what two long values have in common. */
const CONTEXT = 20;

/** Returns a value as text, shortened where it is long. */
export function valueText(value: unknown): string {
  return oneLine(wholeText(value), LONGEST);
}

/**
 * Returns `before → after`. Of long values what they have in common at start and end is shortened, and never what
 * differs. `absent` stands for a value that is not there.
 */
export function changedText(before: unknown, after: unknown, absent = "none"): string {
  const [had, has] = [before, after].map((value) =>
    value === undefined ? absent : oneLine(wholeText(value), Infinity)
  ) as [string, string];
  if (Math.max(had.length, has.length) <= LONGEST) return `${had} → ${has}`;
  const [start, end] = commonEnds([...had], [...has]);
  const part = (text: string) => {
    const letters = [...text];
    const [from, to] = [Math.max(0, start - CONTEXT), Math.max(0, end - CONTEXT)];
    const middle = letters.slice(from, letters.length - to).join("");
    return `${from > 0 ? "…" : ""}${middle}${to > 0 ? "…" : ""}`;
  };
  return `${part(had)} → ${part(has)}`;
}

/** Returns how many characters two texts have in common at their start, and at their end behind it. */
function commonEnds(a: readonly string[], b: readonly string[]): [start: number, end: number] {
  const shorter = Math.min(a.length, b.length);
  let start = 0;
  while (start < shorter && a[start] === b[start]) start++;
  let end = 0;
  while (end < shorter - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  return [start, end];
}

function wholeText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
