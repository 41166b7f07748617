// Pods that were set up without a network, kept for `get attachments` and a later attach.

import type { PodRequest } from "../api/pod_requests.ts";

const LIMIT = 1_000;

/** Reasons of pods that run without a network because their endpoint was taken from them. */
export const LOST_ENDPOINT = {
  deleted: "its endpoint is gone",
  released: "its endpoint was released while this host was away",
} as const;

/** A pod without a network. */
export interface UnmatchedPod {
  readonly pod: PodRequest;
  readonly reason: string;
  /** Labels of its infra container, if the runtime has some. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** The unmatched pods of this host since the agent's start, the latest 1,000. */
export class UnmatchedPods {
  readonly #podBySandbox = new Map<string, UnmatchedPod>();

  add(pod: PodRequest, reason: string, labels?: UnmatchedPod["labels"]): void {
    this.#podBySandbox.delete(pod.sandbox);
    this.#podBySandbox.set(pod.sandbox, { pod, reason, labels });
    const [oldest] = this.#podBySandbox.keys();
    if (this.#podBySandbox.size > LIMIT && oldest) this.#podBySandbox.delete(oldest);
  }

  remove(sandbox: string): void {
    this.#podBySandbox.delete(sandbox);
  }

  /** Returns how many of them have lost their endpoint while they ran. */
  countWithoutEndpoint(): number {
    const reasons: readonly string[] = Object.values(LOST_ENDPOINT);
    return this.list().filter(({ reason }) => reasons.includes(reason)).length;
  }

  list(): UnmatchedPod[] {
    return [...this.#podBySandbox.values()];
  }
}
