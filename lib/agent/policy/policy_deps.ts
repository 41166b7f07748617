// What policies on this host are enforced with.

import type { FlushingTables } from "../../ovs/policy_tables/megaflow_flush.ts";
import type { Switch } from "../../ovs/switch.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { PolicyVlans } from "./policy_vlans.ts";

/** What the enforcer works with. */
export interface PolicyDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "unreachable" | "settle" | "hasKubePolicies">;
  readonly tables: FlushingTables;
  /** Which access tags' frames the switch hands to the policy tables. */
  readonly vlans: PolicyVlans;
  readonly switch: Pick<Switch, "refreshAntispoofFlows">;
  /** Uplink, tunnels and distributed gateways. */
  readonly fabric: Pick<FabricSync, "ensure">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  readonly logDedup: LogDedup;
  /** Whether drops are logged: the flag --log-drops. */
  readonly logsDrops: boolean;
}
