// Hands what Kubernetes says of policies over to the policies of this host: all of it at a moment at
// which all of it is known. While the API server is away, what was known last stays in force.
//
// Whether there were policies outlives the agent in a mark in the state folder. An agent that starts
// with the mark and hears no API server waits with what it does not know closed; one without it has
// nothing to wait for, so that a cluster without policies never suffers from an API server that is away.

import type { ClusterCache } from "../../kube/cluster_cache.ts";
import type { HostPod, KubePolicy, PeerPod } from "../../kube/objects.ts";
import type { NetworkPolicy } from "../../policy/input.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { KubeObjects } from "../policy/compiler.ts";
import type { KubeInput } from "../policy/kube_input.ts";

const MARK = "kubernetes-policies";

// One change is told twice, of this host's pods and of all pods, within a millisecond or so: it does not
// wait longer. News that come by the hundred are taken at some distance. What is not complete yet is
// asked for again.
const [GATHER_MS, APART_MS, RETRY_MS] = [2, 20, 100];

/** Returns what holds until the API server is heard; `stateDir` is the agent's. */
export async function kubeAtStart(stateDir: string): Promise<KubeInput> {
  const isMarked = await Deno.lstat(`${stateDir}/${MARK}`).then(() => true, () => false);
  return isMarked ? "pending" : "none";
}

/** What a feed works with. */
export interface PolicyFeedOptions {
  readonly cluster: ClusterCache;
  readonly stateDir: string;
  readonly take: (kube: KubeInput) => void;
  readonly log: Log;
}

/** Feeds the policies of this host. */
export class PolicyFeed implements Disposable {
  readonly #options: PolicyFeedOptions;
  // The same object for the same policy: whoever takes it compares.
  readonly #read = new WeakMap<KubePolicy, NetworkPolicy>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isMarked: boolean | undefined;
  #isNone = false;
  #fedAt = -Infinity;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PolicyFeedOptions) {
    this.#options = options;
  }

  /** Something of pods, namespaces or policies may have changed. */
  note(afterMs = GATHER_MS): void {
    const apartMs = this.#fedAt + APART_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#run(), Math.max(afterMs, apartMs));
  }

  /** Feeds what waits to be fed; resolves when all that was told before is taken. */
  async flush(): Promise<void> {
    if (this.#timer !== undefined) this.#run();
    await this.#running;
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#fedAt = performance.now();
    this.#running = this.#feed().catch((error) =>
      this.#options.log.error(`policies of Kubernetes not taken: ${faultFrom(error).message}`)
    );
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  async #feed(): Promise<void> {
    const { cluster, take } = this.#options;
    // Not up: it is told of when it is.
    if (!cluster.state.isUp) return;
    const hasPolicies = cluster.policies.size > 0;
    // Allowing rules name pods of other hosts: without them a moment would be a cut.
    if (hasPolicies && !cluster.peers.isLive) return this.note(RETRY_MS);
    // Before they are in force: a crash between the two leaves a mark too many, not one too few.
    if (hasPolicies) await this.#mark(true);
    if (hasPolicies) take(this.#objects());
    else if (!this.#isNone) take("none");
    this.#isNone = !hasPolicies;
    if (!hasPolicies) await this.#mark(false);
  }

  #objects(): KubeObjects {
    const { cluster } = this.#options;
    const pods = new Map<string, PeerPod | HostPod>();
    // This host's own are known sooner and better.
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
    // The API server has checked it; what is not understood all the same is told by the compiler.
    const read = { podSelector: {}, ...spec, namespace, name } as unknown as NetworkPolicy;
    this.#read.set(policy, read);
    return read;
  }

  async #mark(isWanted: boolean): Promise<void> {
    if (this.#isMarked === isWanted) return;
    const path = `${this.#options.stateDir}/${MARK}`;
    if (isWanted) await Deno.writeTextFile(path, "");
    else await Deno.remove(path).catch(() => {});
    this.#isMarked = isWanted;
  }
}
