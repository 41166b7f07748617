// A wait that ends with what it is part of, and leaves nothing behind: a signal that lasts for weeks
// must not gather what was waited for.

/** Waits `ms`, or without limit; ends early when `signal` aborts or the callback given to `early` is called. */
export async function pause(
  ms: number | undefined,
  signal: AbortSignal,
  early: (wake: () => void) => void = () => {},
): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = ms === undefined ? undefined : setTimeout(end, ms);
    signal.addEventListener("abort", end);
    early(end);
  });
}
