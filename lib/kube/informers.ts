// The kinds of objects that a host follows in its cluster.

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

/** Which kind of object changed, and how; `after` is absent for what is gone. */
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

/** A kind, whatever its objects are. */
export type Followed = Pick<
  Informer<KubeObject>,
  "title" | "isLive" | "version" | "distrust" | "follow"
>;

/** All kinds of one cluster. */
export interface Informers {
  readonly pods: Informer<HostPod>;
  readonly namespaces: Informer<KubeNamespace>;
  readonly policies: Informer<KubePolicy>;
  readonly peers: Informer<PeerPod>;
}

/** Makes the kinds of the cluster that has `node`, with nothing known. */
export function createInformers(
  { node, watchSeconds }: { readonly node: string; readonly watchSeconds?: number },
  tell: (change: KubeChange) => void,
): Informers {
  const often = watchSeconds === undefined ? {} : { watchSeconds };
  return {
    pods: new Informer({
      title: "pods of this host",
      path: "/api/v1/pods",
      query: { fieldSelector: `spec.nodeName=${node}` },
      keep: hostPodIn,
      onChange: (before, after) => tell({ kind: "pod", before, after }),
      ...often,
    }),
    namespaces: new Informer({
      title: "namespaces",
      path: "/api/v1/namespaces",
      keep: namespaceIn,
      onChange: (before, after) => tell({ kind: "namespace", before, after }),
      ...often,
    }),
    policies: new Informer({
      title: "network policies",
      path: "/apis/networking.k8s.io/v1/networkpolicies",
      keep: policyIn,
      onChange: (before, after) => tell({ kind: "policy", before, after }),
      ...often,
    }),
    peers: new Informer({
      title: "pods",
      path: "/api/v1/pods",
      keep: peerPodIn,
      onChange: (before, after) => tell({ kind: "peer", before, after }),
      ...often,
    }),
  };
}

/** Reports whether other hosts' pods are of interest: only policies look at them. */
export function wantsPeers({ policies }: Informers): boolean {
  return policies.size > 0;
}

/** Returns the kinds that are to be followed now. */
export function kindsOf({ pods, namespaces, policies, peers }: Informers): readonly Followed[] {
  const always = [pods, namespaces, policies];
  return policies.size > 0 ? [...always, peers] : always;
}
