// What this agent remembers of sandboxes beyond the records of the store. All of it may be lost in a
// restart.

import type { KeyedQueue } from "../../util/async/keyed_queue.ts";
import type { Containers } from "./known_containers.ts";
import type { TornDown } from "./torn_down.ts";
import type { UnmatchedPods } from "./unmatched_pods.ts";

/** The sandboxes of this host as the agent remembers them. */
export interface Sandboxes {
  /** Serialises the work for one sandbox. */
  readonly queue: KeyedQueue;
  /** Pods that nothing in the intent names. */
  readonly unmatched: UnmatchedPods;
  /** Sandboxes that only another set-up may attach again. */
  readonly tornDown: TornDown;
  /** What the container runtime lists; kept up to date by followRuntime(). */
  readonly containers: Containers;
}
