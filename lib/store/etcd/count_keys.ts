// Counts keys by range, many ranges in one request: etcd answers with the numbers alone.

import { COMMIT_OPERATIONS } from "../store.ts";
import type { EtcdCluster } from "./etcd_cluster.ts";
import type { EtcdKeys } from "./etcd_keys.ts";

/** Returns how many documents there are below each of `prefixes`. Faults as EtcdCluster.ask(). */
export async function countKeys(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  prefixes: readonly string[],
): Promise<number[]> {
  const requests: Promise<number[]>[] = [];
  for (let at = 0; at < prefixes.length; at += COMMIT_OPERATIONS) {
    requests.push(countRanges(cluster, keys, prefixes.slice(at, at + COMMIT_OPERATIONS)));
  }
  return (await Promise.all(requests)).flat();
}

async function countRanges(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  prefixes: readonly string[],
): Promise<number[]> {
  const success = prefixes.map((prefix) => ({
    "request_range": { ...keys.range(prefix), "count_only": true },
  }));
  const { responses = [] } = await cluster.ask("kv/txn", { success });
  // A number that is zero is left out.
  return prefixes.map((_, at) => Number(responses[at]?.["response_range"]?.count ?? 0));
}
