// What the agent works with on this host: the drivers, the mirror of the store, and the few things
// that pure code must be handed (clock, ids).

import type { Links } from "../net/links.ts";
import type { Switch } from "../ovs/switch.ts";
import type { Runtimes } from "../runtimes/runtime.ts";
import type { Log } from "../util/log.ts";
import type { AfterWork } from "../util/async/debounce.ts";
import type { Bell } from "../util/async/notifier.ts";
import type { Containers } from "./pods/known_containers.ts";
import type { KubeKeeper } from "./kube/cluster_sync.ts";
import type { FabricKeeper } from "./fabric/fabric_sync.ts";
import type { Garbage } from "./gc/grace_period.ts";
import type { Once } from "../util/log_dedup.ts";
import type { Patience } from "../util/async/backoff.ts";
import type { Departed } from "./pods/torn_down.ts";
import type { PodKnowledge } from "./pods/pod_metadata.ts";
import type { LocalTags } from "./pods/local_tags.ts";
import type { Mirror } from "./store/store_cache.ts";
import type { Mtus } from "./pods/mtus.ts";
import type { Queue } from "../util/async/keyed_queue.ts";
import type { Removals } from "./pods/link_removals.ts";
import type { PolicyKeeper } from "./policy/policy_enforcer.ts";
import type { Unmatched } from "./pods/unmatched_pods.ts";

/** Everything that set-up, reconcile and garbage act on. */
export interface World {
  /** This host's label. */
  readonly host: string;
  readonly mirror: Mirror;
  /** Other hosts use the store, too. */
  readonly isShared: boolean;
  readonly switch: Switch;
  readonly fabric: FabricKeeper;
  /** Rung when what the fabrics should be may have changed; quicker than a look, which does all. */
  readonly fabricBell: Bell;
  readonly policies: PolicyKeeper;
  readonly links: Links;
  readonly runtimes: Runtimes;
  readonly removals: Removals;
  readonly tags: LocalTags;
  readonly unmatched: Unmatched;
  /** What runtimes list; kept by followRuntime(). */
  readonly containers: Containers;
  /** Sandboxes that nobody but a set-up may connect again. */
  readonly departed: Departed;
  /** What was said and need not be said again. */
  readonly once: Once;
  /** When pods without a place are tried again. */
  readonly patience: Patience;
  readonly garbage: Garbage;
  readonly mtus: Mtus;
  /** Datapath of the bridge, known after the first look that reached Open vSwitch. */
  datapath: string;
  /** Work for one sandbox goes one after the other. */
  readonly queue: Queue;
  readonly bell: Bell;
  /** Told of all work: gives memory back a while later. */
  readonly tidying: AfterWork;
  readonly log: Log;
  /** Absent where no cluster was named. */
  kube?: KubeKeeper;

  /** What to answer for a pod that nothing names. */
  readonly onUnmatched: "ignore" | "fail";
  /** Tells what is known of pods beyond their names. */
  readonly knowledge: PodKnowledge;
  /** Keys of the address claims that set-ups of this host are taking at this moment. */
  readonly taking: Set<string>;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Milliseconds of the epoch, as told by a clock that people set. */
  readonly wallMs: () => number;
  /** 11 random hex digits. */
  readonly newId: () => string;
}

/** Gives 11 random hex digits: 44 bits, enough for the attachments of one host. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 11);
}
