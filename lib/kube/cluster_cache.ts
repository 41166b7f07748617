// A cluster as this host needs to know it: its own pods, namespaces, policies, and, while there are
// policies, every pod's labels. Kept right over anything that happens to the API server or to the way
// there; what is known stays while nobody can be asked.

import { Fault, faultFrom } from "../util/errors.ts";
import type { AccessSource } from "./access.ts";
import { annotate, type AnnotationChange } from "./annotate.ts";
import { ApiConnection, KubeRefusal } from "./api_connection.ts";
import type { Informer } from "./informer.ts";
import {
  createInformers,
  type Followed,
  type Informers,
  kindsOf,
  type KubeChange,
  wantsPeers,
} from "./informers.ts";
import {
  fieldsIn,
  type HostPod,
  hostPodIn,
  type KubeNamespace,
  type KubeObject,
  type KubePolicy,
  namespaceIn,
  type PeerPod,
  Shelf,
  versionIn,
} from "./objects.ts";
import { ServerProbe } from "./server_probe.ts";
import { pause } from "../util/async/pause.ts";
import { Notifier } from "../util/async/notifier.ts";

/** How a cluster is followed. */
export interface ClusterOptions {
  readonly access: AccessSource;
  /** Whose pods are this host's. */
  readonly node: string;
  /** Is told each change of what is kept, one by one, before anybody is asked again. */
  readonly onChange?: (change: KubeChange) => void;
  /** Is told when it has become known, or is not known any more, what the API server has. */
  readonly onState?: (state: ClusterState) => void;
  /** Milliseconds of the shortest and longest wait before another connection. @default [200, 10000] */
  readonly backoffMs?: readonly [number, number];
  /** Milliseconds between two questions whether the way is still there. @default 20000 */
  readonly pulseMs?: number;
  /** Seconds that a watch lasts. @default 300 */
  readonly watchSeconds?: number;
}

/** Whether what is known is what the API server has. */
export interface ClusterState {
  readonly isUp: boolean;
  /** Why not, as a sentence; empty where it is up, and before the first try. */
  readonly why: string;
}

// A right that is missing is given by hand: no need to ask often.
const DENIED_MS = 5_000;

/** A followed cluster. */
export class ClusterCache {
  readonly pods: Informer<HostPod>;
  readonly namespaces: Informer<KubeNamespace>;
  readonly policies: Informer<KubePolicy>;
  /** All pods of the cluster; empty while there is no policy. */
  readonly peers: Informer<PeerPod>;
  readonly #options: ClusterOptions;
  readonly #kinds: Informers;
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

  get state(): ClusterState {
    return this.#state;
  }

  /** Where the API server is; empty while there is no connection. */
  get server(): string {
    return this.#connection?.server ?? "";
  }

  /** Waits until what is known is what the API server has. Faults: timeout, with the reason. */
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
   * Returns a pod of this host that may be too new to be known: what is not known yet is asked for. So
   * is a pod without a UID: a watch tells late, and what is known may be its namesake before it.
   * undefined where there is none. Faults: unavailable, timeout, where nobody can be asked.
   */
  async lookUp(
    { namespace, name, uid }: {
      readonly namespace: string;
      readonly name: string;
      readonly uid?: string | undefined;
    },
    limitMs = 5_000,
  ): Promise<HostPod | undefined> {
    const known = uid === undefined ? undefined : this.pods.find(namespace, name, uid);
    if (known) return known;
    const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}` });
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?${query}`;
    const pod = hostPodIn(
      await this.#first(path, `pod ${namespace}/${name}`, limitMs),
      new Shelf(),
    );
    return pod && (uid === undefined || pod.uid === uid) ? pod : undefined;
  }

  /** Returns a namespace that may be too new to be known. Faults: as lookUp(). */
  async lookUpNamespace(name: string, limitMs = 5_000): Promise<KubeNamespace | undefined> {
    const known = this.namespaces.find("", name);
    if (known && this.namespaces.isLive) return known;
    const query = new URLSearchParams({ fieldSelector: `metadata.name=${name}` });
    const path = `/api/v1/namespaces?${query}`;
    return namespaceIn(await this.#first(path, `namespace ${name}`, limitMs), new Shelf());
  }

  /** Returns the first item of the list at `path`. */
  async #first(path: string, what: string, limitMs: number): Promise<unknown> {
    if (!this.#connection) {
      throw new Fault("unavailable", `labels of ${what} are not known`, {
        why: this.#state.why || "the API server has not answered yet",
        fix: 'see "k8contivnet kube status"',
      });
    }
    const { items } = fieldsIn(await this.#connection.askJson({ path }, limitMs));
    return Array.isArray(items) ? items[0] : undefined;
  }

  /**
   * Changes one annotation of a pod. Faults: conflict, where the pod is not
   * the one of that UID any more or `before` is not what is there; not_found; unavailable, timeout.
   */
  async annotate(pod: KubeObject, key: string, change: AnnotationChange): Promise<void> {
    if (!this.#connection) {
      throw new Fault("unavailable", `pod ${pod.namespace}/${pod.name} cannot be annotated`, {
        why: this.#state.why || "there is no connection to the API server",
      });
    }
    await annotate(this.#connection, pod, key, change);
  }

  /** Follows the cluster until `signal` aborts. Never throws. */
  async keep(signal: AbortSignal): Promise<void> {
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

  /** Follows all kinds over one connection until that breaks, which is thrown. */
  async #session(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const ends = AbortSignal.any([signal, ended.signal]);
    const pulse = new ServerProbe({
      intervalMs: this.#options.pulseMs ?? 20_000,
      ask: async (limitMs) => {
        await this.#renew(connection);
        return versionIn(await connection.askJson(PULSE, limitMs));
      },
      known: () => kindsOf(this.#kinds).map((kind) => kind.version),
      onBack: () => kindsOf(this.#kinds).forEach((kind) => kind.distrust()),
    });
    const parts = [
      ...[this.pods, this.namespaces, this.policies].map((kind) =>
        this.#follow(kind, connection, ends)
      ),
      this.#followPeers(connection, ends),
      pulse.keep(ends),
    ];
    try {
      await Promise.race(parts);
    } finally {
      ended.abort();
      connection.close();
      await Promise.allSettled(parts);
    }
  }

  /** Tokens and certificates are renewed in time, before the old ones end. */
  async #renew(connection: ApiConnection): Promise<void> {
    // One that cannot be read now may be half written; what we have is good still.
    const access = await this.#options.access().catch(() => undefined);
    if (access && !connection.renew(access)) throw new Renewed();
  }

  /** Follows one kind; a refusal of that kind alone leaves the others be. */
  async #follow(
    kind: Followed,
    connection: ApiConnection,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await kind.follow(connection, signal, () => this.#live(kind));
      } catch (error) {
        const isDenied = error instanceof KubeRefusal &&
          ["forbidden", "missing"].includes(error.refusal);
        if (!isDenied) throw error;
        this.#denied.set(kind.title, `${kind.title} may not be read: ${error.message}`);
        this.#settle();
        await pause(DENIED_MS, signal);
      }
    }
  }

  #live(kind: Followed): void {
    this.#failures = 0;
    this.#denied.delete(kind.title);
    this.#settle();
  }

  /** Other hosts' pods are of interest only to policies. */
  async #followPeers(connection: ApiConnection, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!wantsPeers(this.#kinds)) {
        this.peers.clear();
        await this.#policiesChanged.wait({ signal });
        continue;
      }
      const unwanted = new AbortController();
      const ends = AbortSignal.any([signal, unwanted.signal]);
      const follow = this.#follow(this.peers, connection, ends).finally(() => unwanted.abort());
      while (wantsPeers(this.#kinds) && !ends.aborted) {
        await this.#policiesChanged.wait({ signal: ends });
      }
      unwanted.abort();
      await follow;
      this.#settle();
    }
  }

  #settle(): void {
    const isUp = kindsOf(this.#kinds).every((kind) => kind.isLive);
    // On a new connection one kind is live before the next: only what failed has made it down.
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

/** The way to the API server is another one by now. */
class Renewed extends Error {}

// One key of etcd, read at its newest version: it shows that the API server and its etcd are well.
const PULSE = { path: "/api/v1/namespaces?fieldSelector=metadata.name%3Ddefault&limit=1" };
