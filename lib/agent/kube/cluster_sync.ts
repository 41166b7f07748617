// The agent's side of Kubernetes: follows the cluster beside everything else, says when it cannot, and
// lets others know of changes. Nothing that needs no label waits for it.

import { ClusterCache, type ClusterState } from "../../kube/cluster_cache.ts";
import type { KubeChange } from "../../kube/informers.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { HostPod, KubeNamespace } from "../../kube/objects.ts";
import type { KubeHealth } from "../api.ts";
import type { World } from "../world.ts";
import { attachmentsOf } from "../store/documents.ts";
import { Annotator } from "./annotator.ts";
import type { KubeOptions } from "./kube_options.ts";
import { PolicyFeed } from "./policy_feed.ts";

/** What the API server knows of a pod that is to be set up. */
export interface PodFacts {
  readonly pod: HostPod | undefined;
  readonly namespace: KubeNamespace | undefined;
}

/** Which pod is meant. */
interface PodWish {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

// A watch tells of a pod before a kubelet can have started it; what takes longer is no reason to wait.
const SETTLE_MS = 1_000;

/** Kubernetes as the agent has it. */
export class ClusterSync {
  readonly cluster: ClusterCache;
  readonly nodeName: string;
  /** Where this host's attachments are in the store. */
  readonly #attachments: string;
  readonly #annotator: Annotator;
  readonly #feed: PolicyFeed;
  readonly #listeners = new Set<(change: KubeChange) => void>();

  constructor({ access, nodeName }: KubeOptions, stateDir: string, world: World) {
    this.nodeName = nodeName;
    this.cluster = new ClusterCache({
      access,
      node: nodeName,
      onChange: (change) => this.#changed(change, world),
      onState: (state) => this.#say(state, world),
    });
    const { store, runtimes, log, host } = world;
    this.#attachments = `attachments/${host}/`;
    this.#annotator = new Annotator({
      cluster: this.cluster,
      runtimes,
      attachments: () => store.unreachable ? undefined : attachmentsOf(store.documents, host),
      log,
    });
    this.#feed = new PolicyFeed({
      cluster: this.cluster,
      stateDir,
      take: (kube) => world.policies.setKube(kube),
      log,
    });
  }

  /** Calls `listener` with each change of what is kept. */
  onChange(listener: (change: KubeChange) => void): void {
    this.#listeners.add(listener);
  }

  /** The document of this key has changed. */
  news(key: string): void {
    if (key.startsWith(this.#attachments)) this.#annotator.bell.notify();
  }

  /**
   * Returns what the API server knows of a pod: what it does not have is undefined, as is a pod of
   * another UID where one is given. Faults: unavailable, timeout, where it cannot be asked.
   */
  async factsOf(wish: PodWish): Promise<PodFacts> {
    const [pod, namespace] = await Promise.all([
      this.cluster.lookUp(wish),
      this.cluster.lookUpNamespace(wish.namespace),
    ]);
    return { pod, namespace };
  }

  /** Returns what the watches have told of a pod; undefined while they do not tell. Asks nobody. */
  factsAtHand({ namespace, name }: PodName): PodFacts | undefined {
    const { state, pods, namespaces } = this.cluster;
    if (!state.isUp) return undefined;
    return { pod: pods.find(namespace, name), namespace: namespaces.find("", namespace) };
  }

  /** See PodKnowledge. */
  async settle({ namespace, name, uid }: PodWish): Promise<string | undefined> {
    const { cluster } = this;
    const isGuarded = [...cluster.policies.objects].some((policy) =>
      policy.namespace === namespace
    );
    if (!isGuarded || !cluster.state.isUp) return uid;
    const told = uid ??
      (await cluster.lookUp({ namespace, name }, SETTLE_MS).catch(() => undefined))?.uid;
    if (told === undefined) return undefined;
    await this.#told(() =>
      cluster.pods.find(namespace, name, told) ?? cluster.peers.find(namespace, name, told)
    );
    await this.#feed.flush();
    return told;
  }

  /** Waits a moment until `find` finds something. */
  async #told(find: () => unknown): Promise<void> {
    if (find()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => void (find() && resolve());
    const timer = setTimeout(resolve, SETTLE_MS);
    this.#listeners.add(look);
    await promise;
    this.#listeners.delete(look);
    clearTimeout(timer);
  }

  /** Returns what /v1/health says of it. */
  health(): KubeHealth {
    const { cluster, nodeName } = this;
    const { isUp, why } = cluster.state;
    return {
      state: isUp ? "up" : "down",
      why,
      server: cluster.server,
      node: nodeName,
      pods: cluster.pods.size,
      namespaces: cluster.namespaces.size,
      policies: cluster.policies.size,
      peers: cluster.peers.size,
    };
  }

  /** Follows until `signal` aborts. Never throws. */
  async keep(signal: AbortSignal): Promise<void> {
    using _ = this.#feed;
    await Promise.all([this.cluster.keep(signal), this.#annotator.keep(signal)]);
  }

  #changed(change: KubeChange, world: World): void {
    for (const listener of this.#listeners) listener(change);
    this.#feed.note();
    if (change.kind === "pod") this.#annotator.seen((change.after ?? change.before)?.uid ?? "");
    // Who has no network may be asked into one by now.
    const isAsked = change.kind === "pod" || change.kind === "namespace";
    if (isAsked && change.after) ringForLatecomers(world);
  }

  #say({ isUp, why }: ClusterState, world: World): void {
    const { log, memoryTrim } = world;
    // Lists of many pods have passed through; what they took goes back to the host.
    memoryTrim.note();
    if (isUp) this.#feed.note();
    // What came in the list was told before all of it was known.
    if (isUp) ringForLatecomers(world);
    if (isUp) log.info("Kubernetes is known", { server: this.cluster.server });
    else if (why !== "") log.warn(`API server unreachable, cached objects stay in use: ${why}`);
    this.#annotator.bell.notify();
  }
}

function ringForLatecomers({ unmatched, reconcileSignal }: World): void {
  if (unmatched.list().length > 0) reconcileSignal.notify();
}
