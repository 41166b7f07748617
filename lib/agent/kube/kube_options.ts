// What the agent is told of Kubernetes by its flags.

import { type AccessSource, accessSource } from "../../kube/access.ts";

/** Which cluster, and who this host is in it. */
export interface KubeOptions {
  readonly access: AccessSource;
  /** Whose pods are this host's. */
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
  return { access: accessSource(kubeconfig, { isInsecure }), nodeName };
}
