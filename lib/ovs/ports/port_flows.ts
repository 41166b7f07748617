// All flows of a pod's port. Pure.

import type { Flow } from "../openflow/flow.ts";
import type { PortSpec, SwitchOptions } from "../switch.ts";
import { antispoofFlows } from "./antispoof_flows.ts";
import { deliveringFlows, deliveryFlows } from "./delivery_flows.ts";
import { portReachFlows } from "./port_reach_flows.ts";

/** What the flows of a port depend on. */
export type PortFlowSpec = Pick<PortSpec, "mac" | "addresses" | "reach"> & {
  readonly tag?: number | undefined;
};

/** Which flows the ports of a bridge have. */
export type PortFlowOptions = Pick<SwitchOptions, "policyVlans" | "hasDelivery">;

/**
 * Returns the anti-spoofing flows of a port, last, so that what a pod sends meets all others (revalidator_wait.ts); with a
 * distributed gateway, those of its reach; with `hasDelivery`, also those that deliver to it.
 */
export function portFlows(
  ofport: number,
  spec: PortFlowSpec,
  { policyVlans, hasDelivery = false }: PortFlowOptions = {},
): Flow[] {
  const { tag, mac, addresses, reach } = spec;
  const own = antispoofFlows(ofport, spec, policyVlans);
  if (tag === undefined) return own;
  const port = { ofport, tag, mac, addresses };
  return [
    ...reach ? portReachFlows({ ...port, reach }) : [],
    ...hasDelivery ? [...deliveryFlows(port), ...deliveringFlows(own, tag)] : own,
  ];
}
