// What this host's part of distributed gateways is kept with.

import type { HostStack } from "../../net/host/host_stack.ts";
import type { ReachSwitch } from "../../ovs/reach/reach_switch.ts";
import type { EgressGuard } from "../../reach/egress_filter.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Log } from "../../util/log.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Mtus } from "../pods/mtus.ts";
import type { HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";

/** What reach is kept with. */
export interface ReachDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly driver: ReachSwitch;
  readonly stack: HostStack;
  readonly flags: ReachFlags;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly mtus: Pick<Mtus, "of">;
  readonly fabric: Pick<FabricSync, "uplink">;
  /** Access tags under policy. */
  readonly policyVlans: { has(tag: number): boolean };
  /** What policies let pods here send by the receiver's address alone; undefined while that is not known. */
  readonly egressGuards: () => readonly EgressGuard[] | undefined;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** Notified where somebody else has changed the host's stack. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** What the operator's flags say. */
export interface ReachFlags {
  readonly vtepIp?: string | undefined;
  readonly hostRange?: string | undefined;
}

/** How much is made. */
export interface ReachScope {
  /** Whatever is there: somebody else may have changed it. @default false */
  readonly isFresh?: boolean;
  /**
   * True once the ports of pods follow the records: then flows of networks that have no distributed gateway
   * any more go. Before, their ports still need them. @default false
   */
  readonly portsFollow?: boolean;
}
