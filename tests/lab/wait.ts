// Waits for a condition with a limit: what tests use where others would sleep.

/** Gives the first result of `look` that is neither undefined nor false; throws after `limitMs`. */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  { limitMs = 10_000, everyMs = 10 }: {
    readonly limitMs?: number;
    readonly everyMs?: number;
  } = {},
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + limitMs;
  while (true) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen as Exclude<T, false | undefined>;
    if (performance.now() >= end) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await new Promise((done) => setTimeout(done, everyMs));
  }
}
