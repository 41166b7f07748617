// Passes the objects of Kubernetes to the policies of this host, all together once all are known. While the
// API server is unreachable, the last known ones stay in force.
//
// A marker file in the state folder records whether there were policies, across restarts of the agent. An
// agent that starts with the marker and does not reach the API server keeps unknown traffic closed; one
// without it has nothing to wait for, so that a cluster without policies never suffers from an unreachable
// API server.

import type { ClusterCache } from "../../kube/cluster_cache.ts";
import type { HostPod, KubePolicy, PeerPod } from "../../kube/objects.ts";
import type { NetworkPolicy } from "../../policy/input.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { KubeObjects } from "../policy/compiler.ts";
import type { KubeInput } from "../policy/kube_input.ts";

const MARKER = "kubernetes-policies";

// A change is reported twice, for this host's pods and for all pods, within about a millisecond: so it waits
// no longer. Hundreds of changes are handled in batches at this interval. Incomplete objects are tried
// again after RETRY_MS.
const [GATHER_MS, APART_MS, RETRY_MS] = [2, 20, 100];

/** Returns the input until the API server answers; `stateDir` is the agent's state folder. */
export async function kubeAtStart(stateDir: string): Promise<KubeInput> {
  const isMarked = await Deno.lstat(`${stateDir}/${MARKER}`).then(() => true, () => false);
  return isMarked ? "pending" : "none";
}

/** What a feed needs. */
export interface PolicyFeedOptions {
  readonly cluster: ClusterCache;
  readonly stateDir: string;
  readonly take: (kube: KubeInput) => void;
  readonly log: Log;
}

/** Feeds the policies of this host. */
export class PolicyFeed implements Disposable {
  readonly #options: PolicyFeedOptions;
  // The same object for the same policy, as the compiler compares by identity.
  readonly #read = new WeakMap<KubePolicy, NetworkPolicy>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isMarked: boolean | undefined;
  #isNone = false;
  #fedAt = -Infinity;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PolicyFeedOptions) {
    this.#options = options;
  }

  /** Records that pods, namespaces or policies may have changed. */
  note(afterMs = GATHER_MS): void {
    const apartMs = this.#fedAt + APART_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#run(), Math.max(afterMs, apartMs));
  }

  /** Passes pending changes at once; resolves when everything recorded before is passed. */
  async flush(): Promise<void> {
    if (this.#timer !== undefined) this.#run();
    await this.#running;
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#fedAt = performance.now();
    this.#running = this.#feed().catch((error) =>
      this.#options.log.error(`Kubernetes policies not applied: ${faultFrom(error).message}`)
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  async #feed(): Promise<void> {
    const { cluster, take } = this.#options;
    // A notification follows when it is up.
    if (!cluster.state.isUp) return;
    const hasPolicies = cluster.policies.size > 0;
    // Allow rules name pods of other hosts: without those, allowed traffic would be interrupted.
    if (hasPolicies && !cluster.peers.isLive) return this.note(RETRY_MS);
    // Before they are in force: a crash in between leaves a needless marker, not a missing one.
    if (hasPolicies) await this.#setMarker(true);
    if (hasPolicies) take(this.#objects());
    else if (!this.#isNone) take("none");
    this.#isNone = !hasPolicies;
    if (!hasPolicies) await this.#setMarker(false);
  }

  #objects(): KubeObjects {
    const { cluster } = this.#options;
    const pods = new Map<string, PeerPod | HostPod>();
    // The pods of this host are known earlier and better.
    for (const pod of [...cluster.peers.objects, ...cluster.pods.objects]) {
      pods.set(`${pod.namespace}/${pod.name}`, pod);
    }
    return {
      namespaces: [...cluster.namespaces.objects],
      pods: [...pods.values()],
      policies: [...cluster.policies.objects].map((policy) => this.#policyOf(policy)),
    };
  }

  #policyOf(policy: KubePolicy): NetworkPolicy {
    const { namespace, name, spec } = policy;
    const known = this.#read.get(policy);
    if (known) return known;
    // The API server has validated it; the compiler reports what it does not support.
    const read = { podSelector: {}, ...spec, namespace, name } as unknown as NetworkPolicy;
    this.#read.set(policy, read);
    return read;
  }

  async #setMarker(isNeeded: boolean): Promise<void> {
    if (this.#isMarked === isNeeded) return;
    const path = `${this.#options.stateDir}/${MARKER}`;
    if (isNeeded) await Deno.writeTextFile(path, "");
    else await Deno.remove(path).catch(() => {});
    this.#isMarked = isNeeded;
  }
}
