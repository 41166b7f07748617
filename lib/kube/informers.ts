// The kinds of objects that a host follows in its cluster.

import { Kind } from "./informer.ts";
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
  Kind<KubeObject>,
  "title" | "isLive" | "version" | "distrust" | "follow"
>;

/** All kinds of one cluster. */
export interface Kinds {
  readonly pods: Kind<HostPod>;
  readonly namespaces: Kind<KubeNamespace>;
  readonly policies: Kind<KubePolicy>;
  readonly peers: Kind<PeerPod>;
}

/** Makes the kinds of the cluster that has `node`, with nothing known. */
export function makeKinds(
  { node, watchSeconds }: { readonly node: string; readonly watchSeconds?: number },
  tell: (change: KubeChange) => void,
): Kinds {
  const often = watchSeconds === undefined ? {} : { watchSeconds };
  return {
    pods: new Kind({
      title: "pods of this host",
      path: "/api/v1/pods",
      query: { fieldSelector: `spec.nodeName=${node}` },
      keep: hostPodIn,
      onChange: (before, after) => tell({ kind: "pod", before, after }),
      ...often,
    }),
    namespaces: new Kind({
      title: "namespaces",
      path: "/api/v1/namespaces",
      keep: namespaceIn,
      onChange: (before, after) => tell({ kind: "namespace", before, after }),
      ...often,
    }),
    policies: new Kind({
      title: "network policies",
      path: "/apis/networking.k8s.io/v1/networkpolicies",
      keep: policyIn,
      onChange: (before, after) => tell({ kind: "policy", before, after }),
      ...often,
    }),
    peers: new Kind({
      title: "pods",
      path: "/api/v1/pods",
      keep: peerPodIn,
      onChange: (before, after) => tell({ kind: "peer", before, after }),
      ...often,
    }),
  };
}

/** Reports whether other hosts' pods are of interest: only policies look at them. */
export function wantsPeers({ policies }: Kinds): boolean {
  return policies.size > 0;
}

/** Gives the kinds that are to be followed now. */
export function kindsOf({ pods, namespaces, policies, peers }: Kinds): readonly Followed[] {
  const always = [pods, namespaces, policies];
  return policies.size > 0 ? [...always, peers] : always;
}
