// A wait that an abort really ends, whatever the work does.
//
// Own code: @std/async/abortable does this too, and would be the only function that we take from that package;
// it always rejects with the signal's reason, where a driver has an error of its own.

/** Returns the result of `work`. Faults: of the work; `reasonOf` the signal, when it aborts first. */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal,
  reasonOf: (signal: AbortSignal) => unknown = ({ reason }) => reason,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(reasonOf(signal));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
