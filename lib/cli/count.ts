// Numbers on the command line.

import { Fault } from "../util/errors.ts";

/** Returns the number of --count, `standard` if it was not given. Faults: usage. */
export function parseCount<T>(
  text: string | undefined,
  { standard, most }: { readonly standard: T; readonly most: number },
): number | T {
  if (text === undefined) return standard;
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count >= 1 && count <= most) return count;
  throw new Fault("usage", `--count "${text.slice(0, 20)}" is out of range (1-${most})`, {
    fix: "--count 3",
  });
}
