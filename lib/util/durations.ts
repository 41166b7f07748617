// Parses durations as people write them in a file. Pure.

import { Fault, oneLine } from "./errors.ts";

const SECONDS_BY_UNIT = new Map([
  ["ns", 1e-9],
  ["us", 1e-6],
  ["µs", 1e-6],
  ["ms", 1e-3],
  ["s", 1],
  ["m", 60],
  ["h", 3_600],
]);

const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/g;

/** Returns the seconds of a duration as Go writes it (`90s`, `1h30m`), or of plain seconds. Faults: usage. */
export function parseDuration(text: string): number {
  if (/^\d{1,12}(\.\d{1,9})?$/.test(text)) return Number(text);
  const parts = [...text.matchAll(PART)];
  if (text !== "" && parts.map(([part]) => part).join("") === text) {
    const seconds = parts.map(([, number, unit = ""]) =>
      Number(number) * (SECONDS_BY_UNIT.get(unit) ?? 0)
    );
    // Rounded to nanoseconds, as Go does: 0.1 + 0.2 is 0.3 to people.
    return Math.round(seconds.reduce((sum, one) => sum + one, 0) * 1e9) / 1e9;
  }
  throw new Fault("usage", `"${oneLine(text, 40)}" is not a valid duration`, {
    why: "it must be numbers with h, m, s or ms, or a number of seconds",
    fix: 'use one such as "1h30m", or 90',
  });
}
