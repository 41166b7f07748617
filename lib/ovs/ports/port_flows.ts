// All flows of a pod's port. Pure.

import type { Flow } from "../openflow/flow.ts";
import type { PortSpec, VlanSet } from "../switch.ts";
import { antispoofFlows } from "./antispoof_flows.ts";
import { portReachFlows } from "./port_reach_flows.ts";

/** What the flows of a port depend on. */
export type PortFlowSpec = Pick<PortSpec, "mac" | "addresses" | "reach"> & {
  readonly tag?: number | undefined;
};

/** Returns the anti-spoofing flows of a port and, with a distributed gateway, those of its reach. */
export function portFlows(ofport: number, spec: PortFlowSpec, policyVlans?: VlanSet): Flow[] {
  const { tag, mac, addresses, reach } = spec;
  const own = antispoofFlows(ofport, spec, policyVlans);
  if (!reach || tag === undefined) return own;
  return [...own, ...portReachFlows({ ofport, tag, mac, addresses, reach })];
}
