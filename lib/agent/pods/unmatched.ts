// Pods that came by and that nothing in the intent names: kept so that people can see them.

import type { PodRequest } from "../api.ts";

const LIMIT = 1_000;

/** The unmatched pods of this host since the agent's start, the latest 1,000. */
export class Unmatched {
  readonly #podBySandbox = new Map<string, { pod: PodRequest; reason: string }>();

  add(pod: PodRequest, reason: string): void {
    this.#podBySandbox.delete(pod.sandbox);
    this.#podBySandbox.set(pod.sandbox, { pod, reason });
    const [oldest] = this.#podBySandbox.keys();
    if (this.#podBySandbox.size > LIMIT && oldest) this.#podBySandbox.delete(oldest);
  }

  remove(sandbox: string): void {
    this.#podBySandbox.delete(sandbox);
  }

  list(): { pod: PodRequest; reason: string }[] {
    return [...this.#podBySandbox.values()];
  }
}
