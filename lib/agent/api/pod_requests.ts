// What kubelets and container runtimes ask an agent about one pod, and its answers.

import type { AttachmentItem } from "./listed_items.ts";

/** What a kubelet requests for a pod. */
export type PodVerb = "setup" | "teardown" | "status";

/** Body of POST /v1/setup, /v1/teardown and /v1/status: a pod as the kubelet identifies it. */
export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  /** Infra container id, 12–64 hex digits. */
  readonly sandbox: string;
}

/** Result of a pod's set-up. */
export type SetupOutcome = "ready" | "unmatched" | "host-network";

/** Answer of /v1/setup. */
export interface SetupAnswer {
  readonly outcome: SetupOutcome;
  readonly attachments: readonly AttachmentItem[];
}

/** How many set-ups that kubelets asked for ended so since the agent's start. */
export interface SetupCounts {
  readonly ready: number;
  readonly unmatched: number;
  readonly hostNetwork: number;
  readonly failed: number;
}

/** Answer of /v1/teardown: how many attachments were released. */
export interface TeardownAnswer {
  readonly released: number;
}

/** Answer of /v1/status: the pod's address without prefix length; absent when not known. */
export interface StatusAnswer {
  readonly ip?: string;
}

/** Path of a CNI call; its body is CniInput (cni/cni_types.ts). */
export const CNI_PATH = "/v1/cni";

/** Answer of POST /v1/cni: what the plugin prints, one line of JSON or nothing, and its exit code. */
export interface CniAnswer {
  readonly exit: 0 | 1;
  readonly output: string;
  /** Whether the same call may succeed in a moment: the caller tries again (error code 11). */
  readonly isTransient?: boolean;
}

/** Returns what `status` prints for a pod's address, as kubelets of 1.0 to 1.2 read it. */
export function statusText(ip: string): string {
  return JSON.stringify({ apiVersion: "v1beta1", kind: "PodNetworkStatus", ip });
}
