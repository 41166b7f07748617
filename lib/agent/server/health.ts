// GET /v1/health: what `k8contivnet status` shows of the agent.

import type { Switch } from "../../ovs/switch.ts";
import type { AgentSettings, HealthAnswer } from "../api/agent_health.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { ClusterSync } from "../kube/cluster_sync.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import type { ReachSync } from "../reach/reach_sync.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { unreadableLines } from "../store/unreadable_records.ts";
import type { SetupCounter } from "./setup_counter.ts";

/** What the answer is made from. */
export interface HealthDeps {
  readonly options: {
    readonly version: string;
    readonly hostLabel: string;
    /** Its URL. */
    readonly store: string;
  };
  readonly store: Pick<StoreCache, "documents" | "unreachable" | "trouble" | "pendingCount">;
  readonly switch: Pick<Switch, "state">;
  readonly policies: Pick<PolicyEnforcer, "problem">;
  readonly reach: Pick<ReachSync, "problem" | "warnings">;
  readonly fabric: Pick<FabricSync, "problems">;
  readonly settings: AgentSettings;
  readonly setups: SetupCounter;
  readonly sandboxes: { readonly unmatched: Pick<UnmatchedPods, "countWithoutEndpoint"> };
  /** Its `sync` is there a moment after the start, where there is a cluster. */
  readonly cluster: { readonly sync?: Pick<ClusterSync, "health"> };
}

/** Returns the agent's health as it is now; asks nothing of the outside. */
export function healthOf(deps: HealthDeps): HealthAnswer {
  const { options, store, policies, reach, fabric, cluster } = deps;
  const trouble = store.unreachable ?? store.trouble;
  const withoutEndpoint = deps.sandboxes.unmatched.countWithoutEndpoint();
  return {
    version: options.version,
    host: options.hostLabel,
    pid: Deno.pid,
    store: options.store,
    ...trouble ? { storeAway: trouble.message } : {},
    held: store.pendingCount,
    unreadable: unreadableLines(store.documents),
    ...deps.switch.state(),
    settings: deps.settings,
    setups: deps.setups.counts(),
    ...withoutEndpoint === 0 ? {} : { withoutEndpoint },
    ...cluster.sync ? { kube: cluster.sync.health() } : {},
    ...policies.problem === undefined ? {} : { policies: policies.problem },
    ...reach.problem === undefined ? {} : { reach: reach.problem },
    ...reach.warnings.length === 0 ? {} : { reachWarnings: reach.warnings },
    ...fabric.problems.length === 0 ? {} : { fabric: fabric.problems },
  };
}
