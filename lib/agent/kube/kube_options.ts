// Options of the agent for Kubernetes.

import { type AccessSource, accessSource } from "../../kube/access.ts";

/** The cluster, and this host's node in it. */
export interface KubeOptions {
  readonly access: AccessSource;
  /** Path, or `in-cluster`. */
  readonly kubeconfig: string;
  readonly isInsecure: boolean;
  /** Name of this host's node. */
  readonly nodeName: string;
}

/** Returns the options for `--kubeconfig` (a file, or `in-cluster`), `--kube-insecure`, `--node-name`. */
export function kubeOptions(
  { kubeconfig, isInsecure, nodeName }: {
    readonly kubeconfig: string;
    readonly isInsecure: boolean;
    readonly nodeName: string;
  },
): KubeOptions {
  return { access: accessSource(kubeconfig, { isInsecure }), kubeconfig, isInsecure, nodeName };
}
