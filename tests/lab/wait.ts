// Waits for a condition with a limit: what tests use where others would sleep.

// A look that starts a process costs as much as ten that read a variable. Whoever waits is idle for at
// least half of the time, and the more, the longer it waits: so what it waits for has the processor.
const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

/**
 * Returns the first result of `look` that is neither undefined nor false; throws after `limitMs`. The
 * pause between two looks is `everyMs`, or else as long as the look before it took, or a
 * quarter of the time up to then.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = 10_000, everyMs }: {
    readonly limitMs?: number;
    readonly everyMs?: number;
  } = {},
): Promise<Exclude<T, false | undefined>> {
  const begin = performance.now();
  const end = begin + limitMs;
  while (true) {
    const start = performance.now();
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen as Exclude<T, false | undefined>;
    const now = performance.now();
    if (now >= end) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    const pauseMs = everyMs ??
      Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, now - start, (now - begin) / 4));
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}
