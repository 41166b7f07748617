// Waits for a condition with a limit: what tests use where others would sleep.

import { patient } from "./limits.ts";

// A check that starts a process costs as much as ten that read a variable. So a wait is idle for at
// least half of the time, and the more, the longer it lasts: what it waits for needs the processor.
const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

/**
 * Returns the first result of `check` that is neither undefined nor false. Throws when there is none in
 * many times `limitMs`, which is what it takes at most on a quiet machine (see `patient`). The pause
 * between two checks is `everyMs`, or else as long as the check before it took, or a quarter of the
 * time up to then.
 */
export async function waitFor<T>(
  what: string,
  check: () => T | Promise<T>,
  { limitMs = 10_000, everyMs }: {
    readonly limitMs?: number;
    readonly everyMs?: number;
  } = {},
): Promise<Exclude<T, false | undefined>> {
  const begin = performance.now();
  const end = begin + patient(limitMs);
  while (true) {
    const start = performance.now();
    const seen = await check();
    if (seen !== undefined && seen !== false) return seen as Exclude<T, false | undefined>;
    const now = performance.now();
    if (now >= end) throw new Error(`waited ${Math.round(now - begin)} ms, and still not: ${what}`);
    const pauseMs = everyMs ??
      Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, now - start, (now - begin) / 4));
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}
