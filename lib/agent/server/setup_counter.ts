// How the set-ups that kubelets asked for ended, counted for `k8contivnet status`. Pods that the agent
// attaches without a kubelet's request are not counted.

import type { SetupCounts, SetupOutcome } from "../api/pod_requests.ts";
import type { Meter } from "../meter.ts";

const KEYS = { ready: "ready", unmatched: "unmatched", "host-network": "hostNetwork" } as const;

/** Counts set-ups by result since the agent's start. */
export class SetupCounter {
  readonly #counts = { ready: 0, unmatched: 0, hostNetwork: 0, failed: 0 };
  readonly #meter: Pick<Meter, "attach"> | undefined;

  /** With a meter, set-ups are measured, too. */
  constructor(meter?: Pick<Meter, "attach">) {
    this.#meter = meter;
  }

  /** Returns what `setUp` returns, and counts how it ended. */
  async count<T extends { readonly outcome: SetupOutcome }>(setUp: () => Promise<T>): Promise<T> {
    try {
      const result = await (this.#meter ? this.#meter.attach(setUp) : setUp());
      this.#counts[KEYS[result.outcome]]++;
      return result;
    } catch (error) {
      this.#counts.failed++;
      throw error;
    }
  }

  /** Returns the counts of this moment. */
  counts(): SetupCounts {
    return { ...this.#counts };
  }
}
