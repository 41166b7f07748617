// The cache of a cluster that this host needs: its own pods, namespaces, policies and, while there are policies, the
// labels of all pods. It recovers from everything that happens to the API server or the network; the cached objects
// stay in use while the API server is unreachable.

import { Fault, faultFrom } from "../util/errors.ts";
import type { AccessSource } from "./access.ts";
import { annotate, type AnnotationChange } from "./annotate.ts";
import { ApiConnection, KubeRefusal } from "./api_connection.ts";
import type { Informer } from "./informer.ts";
import {
  activeInformers,
  type AnyInformer,
  createInformers,
  type Informers,
  type KubeChange,
  needsPeers,
} from "./informers.ts";
import {
  type HostPod,
  type KubeNamespace,
  type KubeObject,
  type KubePolicy,
  type PeerPod,
  versionIn,
} from "./objects.ts";
import { type PodQuery, requestNamespace, requestPod } from "./requested_objects.ts";
import { ServerProbe } from "./server_probe.ts";
import { pause } from "../util/async/pause.ts";
import { Notifier } from "../util/async/notifier.ts";

/** How a cluster is watched. */
export interface ClusterOptions {
  readonly access: AccessSource;
  /** Name of the node whose pods are this host's. */
  readonly node: string;
  /** Called for each change of the cache, one by one, before the next request. */
  readonly onChange?: (change: KubeChange) => void;
  /** Called when the cache has become up to date, or is no longer. */
  readonly onState?: (state: ClusterState) => void;
  /** Shortest and longest pause before a reconnect, in milliseconds. @default [200, 10000] */
  readonly backoffMs?: readonly [number, number];
  /** Milliseconds between two probes of the connection. @default 20000 */
  readonly probeMs?: number;
  /** Timeout of a watch in seconds. @default 300 */
  readonly watchSeconds?: number;
}

/** Whether the cache is up to date. */
export interface ClusterState {
  readonly isUp: boolean;
  /** Why not, as a sentence; empty if it is, and before the first attempt. */
  readonly why: string;
}

// A missing permission is granted by hand: no need to retry often.
const DENIED_MS = 5_000;
/** Limit of one lookup for a set-up. */
const LOOKUP_MS = 5_000;

/** A cluster's informers over one connection at a time. */
export class ClusterCache {
  readonly pods: Informer<HostPod>;
  readonly namespaces: Informer<KubeNamespace>;
  readonly policies: Informer<KubePolicy>;
  /** All pods of the cluster; empty while there is no policy. */
  readonly peers: Informer<PeerPod>;
  readonly #options: ClusterOptions;
  readonly #kinds: Informers;
  /** Why a kind may not be listed, by its title. */
  readonly #denied = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  #connection: ApiConnection | undefined;
  #state: ClusterState = { isUp: false, why: "" };
  #failures = 0;
  readonly #policiesChanged = new Notifier();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#kinds = createInformers(options, (change) => {
      options.onChange?.(change);
      if (change.kind === "policy") this.#policiesChanged.notify();
    });
    ({ pods: this.pods, namespaces: this.namespaces, policies: this.policies, peers: this.peers } =
      this.#kinds);
  }

  /** Whether the cache is up to date, and why not. */
  get state(): ClusterState {
    return this.#state;
  }

  /** URL of the API server; empty while there is no connection. */
  get server(): string {
    return this.#connection?.server ?? "";
  }

  /** Proxy by which the API server is asked; undefined for none. */
  get proxy(): string | undefined {
    return this.#connection?.proxy;
  }

  /** Waits until the cache is up to date. Faults: timeout, with the reason. */
  async up(limitMs: number): Promise<void> {
    if (this.#state.isUp) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      reject(
        new Fault("timeout", "labels of pods are not known", {
          why: this.#state.why || "the API server has not answered yet",
          fix: 'see "k8contivnet kube status"',
        }),
      );
    }, limitMs);
    this.#waiting.add(resolve);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  /**
   * Returns a pod of this host that may be too new for the cache: then the API server is asked. So it is for a pod
   * without a UID, as a watch may be late, and the cached pod an earlier one of the same name. undefined if there is
   * none. Faults: unavailable, timeout.
   */
  async lookUp(query: PodQuery, limitMs = LOOKUP_MS): Promise<HostPod | undefined> {
    const { namespace, name, uid } = query;
    const cached = uid === undefined ? undefined : this.pods.find(namespace, name, uid);
    if (cached) return cached;
    return await requestPod(this.#connectionFor(`pod ${namespace}/${name}`), query, limitMs);
  }

  /** Returns a namespace that may be too new for the cache. Faults: as lookUp(). */
  async lookUpNamespace(name: string, limitMs = LOOKUP_MS): Promise<KubeNamespace | undefined> {
    const cached = this.namespaces.find("", name);
    if (cached && this.namespaces.isLive) return cached;
    return await requestNamespace(this.#connectionFor(`namespace ${name}`), name, limitMs);
  }

  /** Returns the connection, to ask about `what`. Faults: unavailable, if there is none. */
  #connectionFor(what: string): ApiConnection {
    if (this.#connection) return this.#connection;
    throw new Fault("unavailable", `labels of ${what} are not known`, {
      why: this.#state.why || "the API server has not answered yet",
      fix: 'see "k8contivnet kube status"',
    });
  }

  /**
   * Changes one annotation of a pod. Faults: conflict, if the pod has another UID, or the annotation is not as
   * `before` says; not_found; unavailable, timeout.
   */
  async annotate(pod: KubeObject, key: string, change: AnnotationChange): Promise<void> {
    if (!this.#connection) {
      throw new Fault("unavailable", `pod ${pod.namespace}/${pod.name} cannot be annotated`, {
        why: this.#state.why || "there is no connection to the API server",
      });
    }
    await annotate(this.#connection, pod, key, change);
  }

  /** Keeps the cache up to date until `signal` aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        using connection = new ApiConnection(await this.#options.access());
        this.#connection = connection;
        await this.#session(connection, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Renewed) continue;
        this.#note({ isUp: false, why: faultFrom(error).message });
      } finally {
        this.#connection = undefined;
      }
      const [shortest, longest] = this.#options.backoffMs ?? [200, 10_000];
      const wait = Math.min(shortest * 2 ** Math.min(this.#failures++, 16), longest);
      await pause(wait * (0.5 + Math.random() / 2), signal);
    }
  }

  /** Runs all informers over one connection until that breaks, which is thrown. */
  async #session(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const ends = AbortSignal.any([signal, ended.signal]);
    const probe = new ServerProbe({
      intervalMs: this.#options.probeMs ?? 20_000,
      request: async (limitMs) => {
        await this.#renew(connection);
        return versionIn(await connection.requestJson(PROBE, limitMs));
      },
      cachedVersions: () => activeInformers(this.#kinds).map((kind) => kind.version),
      onRollback: () => activeInformers(this.#kinds).forEach((kind) => kind.forgetVersion()),
    });
    const parts = [
      ...[this.pods, this.namespaces, this.policies].map((kind) =>
        this.#runInformer(kind, connection, ends)
      ),
      this.#runPeers(connection, ends),
      probe.run(ends),
    ];
    try {
      await Promise.race(parts);
    } finally {
      ended.abort();
      connection.close();
      await Promise.allSettled(parts);
    }
  }

  /** Applies a renewed token, before the old one expires. Throws Renewed if more has changed. */
  async #renew(connection: ApiConnection): Promise<void> {
    // A file that cannot be read now may be half written; the present access is still valid.
    const access = await this.#options.access().catch(() => undefined);
    if (access && !connection.renew(access)) throw new Renewed();
  }

  /** Runs one informer; if only its kind is refused, the others go on. */
  async #runInformer(
    kind: AnyInformer,
    connection: ApiConnection,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await kind.run(connection, signal, () => this.#live(kind));
      } catch (error) {
        const isDenied = error instanceof KubeRefusal &&
          ["forbidden", "missing"].includes(error.refusal);
        if (!isDenied) throw error;
        this.#denied.set(kind.title, `${kind.title} may not be listed: ${error.message}`);
        this.#settle();
        await pause(DENIED_MS, signal);
      }
    }
  }

  #live(kind: AnyInformer): void {
    this.#failures = 0;
    this.#denied.delete(kind.title);
    this.#settle();
  }

  /** Runs the informer of all pods while there is a policy: only policies need it. */
  async #runPeers(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!needsPeers(this.#kinds)) {
        this.peers.clear();
        await this.#policiesChanged.wait({ signal });
        continue;
      }
      const noPolicies = new AbortController();
      const ends = AbortSignal.any([signal, noPolicies.signal]);
      const running = this.#runInformer(this.peers, connection, ends).finally(() =>
        noPolicies.abort()
      );
      while (needsPeers(this.#kinds) && !ends.aborted) {
        await this.#policiesChanged.wait({ signal: ends });
      }
      noPolicies.abort();
      await running;
      this.#settle();
    }
  }

  #settle(): void {
    const isUp = activeInformers(this.#kinds).every((kind) => kind.isLive);
    // On a new connection one kind is up to date before the next: only a failure has set it down.
    if (!isUp && this.#denied.size === 0) return;
    this.#note({ isUp, why: isUp ? "" : [...this.#denied.values()][0] ?? this.#state.why });
  }

  #note(state: ClusterState): void {
    const before = this.#state;
    this.#state = state;
    if (state.isUp) this.#waiting.forEach((done) => done());
    if (state.isUp !== before.isUp || state.why !== before.why) this.#options.onState?.(state);
  }
}

/** Thrown if the API server or our credentials have changed, so that another connection is needed. */
class Renewed extends Error {}

// Reads one key of etcd at its newest version: it shows that the API server and its etcd work.
const PROBE = { path: "/api/v1/namespaces?fieldSelector=metadata.name%3Ddefault&limit=1" };
