// The sandboxes that a runtime lists, and for which of them the agent acts without being asked.
//
// A plain container, which no kubelet made, is attached when it starts: nothing else does it. A pod is its
// kubelet's, which calls `setup` right after the infra container's start, repeats that for 60 s, and calls
// `teardown` while the container runs: attaching pods at events would race the first and undo the second.
// But a set-up that failed is never repeated by kubelets before 1.2, and nothing remembers pods that came
// before their endpoint after the agent's restart. So the agent also acts for a pod whose kubelet has had
// its time, unless it was torn down.

import type { ListedSandbox } from "../../runtimes/runtime.ts";
import type { PodRequest } from "../api/pod_requests.ts";

/** The exec face repeats a failing set-up for 60 s; the rest is for a machine under load. */
export const KUBELETS_TURN_MS = 75_000;

/** Where containers are that no kubelet made: an endpoint without a namespace serves this one. */
const PLAIN_NAMESPACE = "default";

interface Known {
  readonly pod: PodRequest;
  readonly isPlain: boolean;
  /** Monotonic milliseconds. */
  readonly actFrom: number;
}

/** What the last list said, and what earlier ones said of sandboxes that are still attached. */
export class Containers {
  #known: ReadonlyMap<string, Known> = new Map();
  readonly #plain = new Set<string>();
  #isStart = true;

  /** Takes a list over; returns the sandboxes that are no longer in it. */
  take(
    listed: readonly ListedSandbox[],
    { now, isAttached }: {
      readonly now: number;
      readonly isAttached: (sandbox: string) => boolean;
    },
  ): string[] {
    // Those that run when the agent starts had their turn while it was away.
    const turnMs = this.#isStart ? 0 : KUBELETS_TURN_MS;
    this.#isStart = false;
    const before = this.#known;
    this.#known = new Map(listed.map((one) => {
      const isPlain = one.pod === undefined;
      const actFrom = before.get(one.id)?.actFrom ?? (isPlain ? now : now + turnMs);
      return [one.id, { pod: requestOf(one), isPlain, actFrom }];
    }));
    for (const { id, pod } of listed) if (pod === undefined) this.#plain.add(id);
    for (const id of this.#plain) {
      if (!this.#known.has(id) && !isAttached(id)) this.#plain.delete(id);
    }
    return [...before.keys()].filter((id) => !this.#known.has(id));
  }

  /** There was no runtime to ask when the agent started: what it brings is new. */
  missStart(): void {
    this.#isStart = false;
  }

  /** Returns the pods that the agent acts for now. */
  pods(now: number): PodRequest[] {
    return [...this.#known.values()].filter(({ actFrom }) => actFrom <= now).map(({ pod }) => pod);
  }

  /** Returns the pods of kubelets that have had the time in which they set a pod up. */
  overduePods(now: number): PodRequest[] {
    return [...this.#known.values()].filter(({ isPlain, actFrom }) => !isPlain && actFrom <= now)
      .map(({ pod }) => pod);
  }

  /** Reports whether a sandbox, by 12 or more digits of its id, is such a pod's. */
  isOverdue(sandbox: string, now: number): boolean {
    return this.overduePods(now).some((pod) => pod.sandbox.startsWith(sandbox));
  }

  /** Reports whether no kubelet made this container, as far as it was ever listed. */
  isPlain(sandbox: string): boolean {
    return this.#plain.has(sandbox);
  }

  /** Forgets what is not a sandbox after all: with an old runtime only an inspection shows it. */
  dismiss(sandbox: string): void {
    this.#known = new Map([...this.#known].filter(([id]) => id !== sandbox));
    this.#plain.delete(sandbox);
  }
}

function requestOf({ id, name, pod }: ListedSandbox): PodRequest {
  return pod
    ? { namespace: pod.namespace, name: pod.name, sandbox: id }
    : { namespace: PLAIN_NAMESPACE, name, sandbox: id };
}
