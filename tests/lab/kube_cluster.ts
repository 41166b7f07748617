// Our client against a lab's API server: who watches it, and by which way.

import { accessSource } from "../../lib/kube/access.ts";
import { ClusterCache, type ClusterState } from "../../lib/kube/cluster_cache.ts";
import type { KubeChange } from "../../lib/kube/informers.ts";
import type { Kube } from "./kube.ts";

/** How a cluster is followed. */
export interface FollowOptions {
  /** Kubeconfig; the admin's by default. */
  readonly kubeconfig?: string;
  readonly node?: string;
  /** @default 500 */
  readonly probeMs?: number;
  /** @default 300 */
  readonly watchSeconds?: number;
}

/** A cluster that is followed until the end of the test. */
export interface Followed extends AsyncDisposable {
  readonly cluster: ClusterCache;
  /** All that was told, in order. */
  readonly changes: readonly KubeChange[];
  readonly states: readonly ClusterState[];
}

/** Follows the cluster of `kube`; does not wait until it is known. */
export function follow(kube: Kube, options: FollowOptions = {}): Followed {
  const changes: KubeChange[] = [];
  const states: ClusterState[] = [];
  const cluster = new ClusterCache({
    access: accessSource(options.kubeconfig ?? `${kube.dir}/admin.kubeconfig`),
    node: options.node ?? "host1",
    onChange: (change) => void changes.push(change),
    onState: (state) => void states.push(state),
    backoffMs: [50, 500],
    probeMs: options.probeMs ?? 500,
    ...options.watchSeconds === undefined ? {} : { watchSeconds: options.watchSeconds },
  });
  const stopping = new AbortController();
  const keeping = cluster.run(stopping.signal);
  const end = async () => {
    stopping.abort();
    await keeping;
  };
  return { cluster, changes, states, [Symbol.asyncDispose]: end };
}

let count = 0;

/** Returns a name that no other test of this run has: a deleted namespace never goes for good here. */
export function unusedName(stem: string): string {
  return `${stem}-${++count}`;
}
