// What this agent remembers of sandboxes beyond the records of the store. All of it may be lost in a
// restart.

import type { KeyedQueue } from "../../util/async/keyed_queue.ts";
import type { Containers } from "./known_containers.ts";
import type { SandboxSet } from "./sandbox_set.ts";
import type { UnmatchedPods } from "./unmatched_pods.ts";

/** The sandboxes of this host as the agent remembers them. */
export interface Sandboxes {
  /** Serialises the work for one sandbox. */
  readonly queue: KeyedQueue;
  /** Pods that nothing in the intent names. */
  readonly unmatched: UnmatchedPods;
  /**
   * Sandboxes that were torn down and may still run: kubelets stop the infra container half a minute after
   * its teardown. Only another set-up attaches them again.
   */
  readonly tornDown: SandboxSet;
  /** Sandboxes without attachments whose kubelet has asked for their status. */
  readonly statusAsked: SandboxSet;
  /** What the container runtime lists; kept up to date by followRuntime(). */
  readonly containers: Containers;
}
