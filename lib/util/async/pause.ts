// A wait that ends with what it is part of, and leaves nothing behind: a signal that lasts for weeks
// must not gather what was waited for.

/** Waits; ends early when `signal` aborts, or by the call that `early` is handed. */
export async function pause(
  ms: number,
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
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    early(end);
  });
}
