// How many records a host reads to check its store: each host does so every ten minutes, and what all of them read
// together must not grow with the cluster.

import type { Store } from "../../store/store.ts";

// Read in a tenth of a second.
const MOST = 20_000;
// 400 kB/s of ten minutes.
const MOST_OF_ALL_HOSTS = 200_000;

/** Returns how many records are below `prefix`, and whether a host may read them all. */
export async function recordBudget(
  store: Pick<Store, "count">,
  prefix: string,
): Promise<{ readonly count: number; readonly isFew: boolean }> {
  const [count = 0, hosts = 0] = await store.count([prefix, "agents/"]);
  return { count, isFew: count <= Math.min(MOST, MOST_OF_ALL_HOSTS / Math.max(1, hosts)) };
}
