// Progress in one line: a bar where the number is known, else only the time. Pure.

import { unicodeWidth } from "@std/cli/unicode-width";

/** How far a work is. */
export interface ProgressState {
  readonly what: string;
  /** Absent where it is not known. */
  readonly count?: { readonly done: number; readonly of: number };
  readonly ms: number;
}

const [WIDEST_BAR, NARROWEST_BAR] = [40, 5];
const SPINNER = ["|", "/", "-", "\\"];
const SPIN_MS = 200;

/** Returns the line, which is shorter than `width` columns: a terminal would wrap it, and never remove it. */
export function progressLine({ what, count, ms }: ProgressState, width: number): string {
  const time = `${Math.floor(ms / 1_000)} s`;
  if (!count || count.of <= 0) {
    const sign = SPINNER[Math.floor(ms / SPIN_MS) % SPINNER.length];
    return shortened(`${what} ${sign} ${time}`, width);
  }
  const done = Math.min(Math.max(count.done, 0), count.of);
  const end = `${done}/${count.of}, ${time}`;
  const room = width - 1 - unicodeWidth(what) - end.length - " [] ".length;
  if (room < NARROWEST_BAR) return shortened(`${what} ${end}`, width);
  const length = Math.min(room, WIDEST_BAR);
  const full = Math.floor(length * done / count.of);
  return `${what} [${"#".repeat(full)}${".".repeat(length - full)}] ${end}`;
}

function shortened(line: string, width: number): string {
  return line.slice(0, Math.max(0, width - 1));
}
