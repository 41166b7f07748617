// A wait that ends with what it is part of and leaves nothing behind: a signal that lives for weeks must not
// gather a listener for each wait.
//
// Own code: @std/async/delay rejects on abort, where every loop here simply ends, and cannot be woken early.

/** Waits `ms`, or without limit; ends early when `signal` aborts or the callback passed to `early` is called. */
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
