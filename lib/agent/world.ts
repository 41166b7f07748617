// What the agent works with on this host: the drivers, the mirror of the store, and the few things
// that pure code must be handed (clock, ids).

import type { Links } from "../net/links.ts";
import type { Switch } from "../ovs/switch.ts";
import type { Runtimes } from "../runtimes/runtime.ts";
import type { Log } from "../util/log.ts";
import type { Debounce } from "../util/async/debounce.ts";
import type { Notifier } from "../util/async/notifier.ts";
import type { Containers } from "./pods/known_containers.ts";
import type { ClusterSync } from "./kube/cluster_sync.ts";
import type { FabricSync } from "./fabric/fabric_sync.ts";
import type { GracePeriod } from "./gc/grace_period.ts";
import type { LogDedup } from "../util/log_dedup.ts";
import type { Backoff } from "../util/async/backoff.ts";
import type { TornDown } from "./pods/torn_down.ts";
import type { PodMetadata } from "./pods/pod_metadata.ts";
import type { LocalTags } from "./pods/local_tags.ts";
import type { StoreCache } from "./store/store_cache.ts";
import type { Mtus } from "./pods/mtus.ts";
import type { KeyedQueue } from "../util/async/keyed_queue.ts";
import type { LinkRemovals } from "./pods/link_removals.ts";
import type { PolicyEnforcer } from "./policy/policy_enforcer.ts";
import type { UnmatchedPods } from "./pods/unmatched_pods.ts";

/** Everything that set-up, reconcile and garbage act on. */
export interface World {
  /** This host's label. */
  readonly host: string;
  readonly store: StoreCache;
  /** Other hosts use the store, too. */
  readonly isShared: boolean;
  readonly switch: Switch;
  readonly fabric: FabricSync;
  /** Rung when what the fabrics should be may have changed; quicker than a look, which does all. */
  readonly fabricSignal: Notifier;
  readonly policies: PolicyEnforcer;
  readonly links: Links;
  readonly runtimes: Runtimes;
  readonly linkRemovals: LinkRemovals;
  readonly tags: LocalTags;
  readonly unmatched: UnmatchedPods;
  /** What runtimes list; kept by followRuntime(). */
  readonly containers: Containers;
  /** Sandboxes that nobody but a set-up may connect again. */
  readonly tornDown: TornDown;
  /** What was said and need not be said again. */
  readonly logDedup: LogDedup;
  /** When pods without a place are tried again. */
  readonly backoff: Backoff;
  readonly gracePeriod: GracePeriod;
  readonly mtus: Mtus;
  /** Datapath of the bridge, known after the first look that reached Open vSwitch. */
  datapath: string;
  /** Work for one sandbox goes one after the other. */
  readonly queue: KeyedQueue;
  readonly reconcileSignal: Notifier;
  /** Told of all work: gives memory back a while later. */
  readonly memoryTrim: Debounce;
  readonly log: Log;
  /** Absent where no cluster was named. */
  kube?: ClusterSync;

  /** What to answer for a pod that nothing names. */
  readonly onUnmatched: "ignore" | "fail";
  /** Tells what is known of pods beyond their names. */
  readonly podMetadata: PodMetadata;
  /** Keys of the address claims that set-ups of this host are taking at this moment. */
  readonly addressesInFlight: Set<string>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds of the epoch, as told by a clock that people set. */
  readonly wallMs: () => number;
  /** 11 random hex digits. */
  readonly newId: () => string;
}

/** Returns 11 random hex digits: 44 bits, enough for the attachments of one host. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 11);
}
