// Follows the cluster's objects, logs when the API server is unreachable, and notifies others of changes.
// Only what needs labels waits for it.

import { ClusterCache, type ClusterState } from "../../kube/cluster_cache.ts";
import type { KubeChange } from "../../kube/informers.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { HostPod, KubeNamespace } from "../../kube/objects.ts";
import type { KubeHealth } from "../api/agent_health.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Log } from "../../util/log.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import { attachmentsOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { Annotator } from "./annotator.ts";
import type { KubeOptions } from "./kube_options.ts";
import { PolicyFeed } from "./policy_feed.ts";

/** What the API server knows of a pod that is to be set up. */
export interface PodFacts {
  readonly pod: HostPod | undefined;
  readonly namespace: KubeNamespace | undefined;
}

/** What following the cluster works with. */
export interface ClusterSyncDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "unreachable">;
  readonly stateDir: string;
  readonly runtimes: Pick<Runtimes, "findSandbox">;
  readonly policies: Pick<PolicyEnforcer, "setKube">;
  readonly unmatched: Pick<UnmatchedPods, "list">;
  readonly reconcileSignal: Pick<Notifier, "notify">;
  readonly memoryTrim: Pick<Debounce, "note">;
  readonly log: Log;
}

/** Which pod is meant. */
interface PodQuery {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

// A watch reports a pod before a kubelet can have started it; what takes longer is not waited for.
const SETTLE_MS = 1_000;

/** The cluster as the agent follows it. */
export class ClusterSync {
  readonly cluster: ClusterCache;
  readonly nodeName: string;
  /** Where this host's attachments are in the store. */
  readonly #attachments: string;
  readonly #annotator: Annotator;
  readonly #feed: PolicyFeed;
  readonly #listeners = new Set<(change: KubeChange) => void>();

  readonly #deps: ClusterSyncDeps;

  constructor(
    { access, nodeName }: Pick<KubeOptions, "access" | "nodeName">,
    deps: ClusterSyncDeps,
  ) {
    this.nodeName = nodeName;
    this.#deps = deps;
    this.cluster = new ClusterCache({
      access,
      node: nodeName,
      onChange: (change) => this.#changed(change),
      onState: (state) => this.#report(state),
    });
    const { store, runtimes, log, host, stateDir, policies } = deps;
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
      take: (kube) => policies.setKube(kube),
      log,
    });
  }

  /** Calls `listener` with each change of what is kept. */
  onChange(listener: (change: KubeChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Notes that the document of this key has changed. */
  documentChanged(key: string): void {
    if (key.startsWith(this.#attachments)) this.#annotator.notifier.notify();
  }

  /**
   * Returns what the API server knows of a pod: what it does not have is undefined, as is a pod of
   * another UID where one is given. Faults: unavailable, timeout, where it cannot be asked.
   */
  async factsOf(query: PodQuery): Promise<PodFacts> {
    const [pod, namespace] = await Promise.all([
      this.cluster.lookUp(query),
      this.cluster.lookUpNamespace(query.namespace),
    ]);
    return { pod, namespace };
  }

  /** Returns what the watches have reported of a pod; undefined while the API server is unreachable. Never asks it. */
  factsAtHand({ namespace, name }: PodName): PodFacts | undefined {
    const { state, pods, namespaces } = this.cluster;
    if (!state.isUp) return undefined;
    return { pod: pods.find(namespace, name), namespace: namespaces.find("", namespace) };
  }

  /** See PodMetadata. */
  async settle({ namespace, name, uid }: PodQuery): Promise<string | undefined> {
    const { cluster } = this;
    const isSelectable = [...cluster.policies.objects].some((policy) =>
      policy.namespace === namespace
    );
    if (!isSelectable || !cluster.state.isUp) return uid;
    const knownUid = uid ??
      (await cluster.lookUp({ namespace, name }, SETTLE_MS).catch(() => undefined))?.uid;
    if (knownUid === undefined) return undefined;
    await this.#known(() =>
      cluster.pods.find(namespace, name, knownUid) ??
        cluster.peers.find(namespace, name, knownUid)
    );
    await this.#feed.flush();
    return knownUid;
  }

  /** Waits a moment until `find` finds something. */
  async #known(find: () => unknown): Promise<void> {
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
    await Promise.all([this.cluster.run(signal), this.#annotator.keep(signal)]);
  }

  #changed(change: KubeChange): void {
    for (const listener of this.#listeners) listener(change);
    this.#feed.note();
    if (change.kind === "pod") this.#annotator.seen((change.after ?? change.before)?.uid ?? "");
    // An unmatched pod may be selected by a network now.
    const isRelevant = change.kind === "pod" || change.kind === "namespace";
    if (isRelevant && change.after) this.#notifyIfUnmatched();
  }

  #report({ isUp, why }: ClusterState): void {
    const { log, memoryTrim } = this.#deps;
    // Lists of many pods have passed through; their memory goes back to the host.
    memoryTrim.note();
    if (isUp) this.#feed.note();
    // What came in the list was reported before all of it was known.
    if (isUp) this.#notifyIfUnmatched();
    const { server, proxy } = this.cluster;
    if (isUp) log.info("API server reachable", { server, ...proxy === undefined ? {} : { proxy } });
    else if (why !== "") log.warn(`API server unreachable, cached objects stay in use: ${why}`);
    this.#annotator.notifier.notify();
  }

  #notifyIfUnmatched(): void {
    const { unmatched, reconcileSignal } = this.#deps;
    if (unmatched.list().length > 0) reconcileSignal.notify();
  }
}
