// Work on many things, of which only some are done at the same time.

/** Returns the results of `work` on each of `all`, in order; at most `most` run at once. Faults: the first one of `work`. */
export async function inParallel<T, R>(
  most: number,
  all: readonly T[],
  work: (one: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += most) {
    results.push(...await Promise.all(all.slice(at, at + most).map(work)));
  }
  return results;
}
