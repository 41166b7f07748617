// Pods that were set up without a network, kept for `get attachments` and a later attach.

import type { PodRequest } from "../api.ts";

const LIMIT = 1_000;

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

  list(): UnmatchedPod[] {
    return [...this.#podBySandbox.values()];
  }
}
