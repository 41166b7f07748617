// The informers of a cluster: one for each kind of object that a host needs.

import { Informer } from "./informer.ts";
import {
  type HostPod,
  hostPodIn,
  type KubeNamespace,
  type KubeObject,
  type KubePolicy,
  namespaceIn,
  type PeerPod,
  peerPodIn,
  policyIn,
} from "./objects.ts";

/** A change of one object; `before` is undefined for a new one, `after` for a deleted one. */
export type KubeChange =
  | Change<"pod", HostPod>
  | Change<"namespace", KubeNamespace>
  | Change<"policy", KubePolicy>
  | Change<"peer", PeerPod>;

interface Change<K extends string, T> {
  readonly kind: K;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** An informer, whatever its objects are. */
export type AnyInformer = Pick<
  Informer<KubeObject>,
  "title" | "isLive" | "version" | "forgetVersion" | "run"
>;

/** All informers of one cluster. */
export interface Informers {
  readonly pods: Informer<HostPod>;
  readonly namespaces: Informer<KubeNamespace>;
  readonly policies: Informer<KubePolicy>;
  /** All pods of the cluster, for the selectors of policies. */
  readonly peers: Informer<PeerPod>;
}

/** Creates the informers for the host of `node`, with empty caches. */
export function createInformers(
  { node, watchSeconds }: { readonly node: string; readonly watchSeconds?: number },
  report: (change: KubeChange) => void,
): Informers {
  const timeout = watchSeconds === undefined ? {} : { watchSeconds };
  return {
    pods: new Informer({
      title: "pods of this host",
      path: "/api/v1/pods",
      query: { fieldSelector: `spec.nodeName=${node}` },
      keep: hostPodIn,
      onChange: (before, after) => report({ kind: "pod", before, after }),
      ...timeout,
    }),
    namespaces: new Informer({
      title: "namespaces",
      path: "/api/v1/namespaces",
      keep: namespaceIn,
      onChange: (before, after) => report({ kind: "namespace", before, after }),
      ...timeout,
    }),
    policies: new Informer({
      title: "network policies",
      path: "/apis/networking.k8s.io/v1/networkpolicies",
      keep: policyIn,
      onChange: (before, after) => report({ kind: "policy", before, after }),
      ...timeout,
    }),
    peers: new Informer({
      title: "pods",
      path: "/api/v1/pods",
      keep: peerPodIn,
      onChange: (before, after) => report({ kind: "peer", before, after }),
      ...timeout,
    }),
  };
}

/** Reports whether the pods of other hosts are needed: only policies select them. */
export function needsPeers({ policies }: Informers): boolean {
  return policies.size > 0;
}

/** Returns the informers that have to run now. */
export function activeInformers(
  { pods, namespaces, policies, peers }: Informers,
): readonly AnyInformer[] {
  const always = [pods, namespaces, policies];
  return policies.size > 0 ? [...always, peers] : always;
}
