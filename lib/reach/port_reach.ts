// What the flows of a pod's port need, as they come with the port. Pure.

import type { PodAlias, ReachHost, ReachNetwork } from "./reach_model.ts";

/** The reach of a port; a driver's `PortReach` is the same. */
export interface PortReachOfPod {
  readonly gateway: string;
  readonly hostMac: string;
  readonly hasServices: boolean;
  readonly alias?: PodAlias | undefined;
}

/**
 * Returns the reach of a port in `network` on the host `self`. Answers are tracked also where only a word opens
 * the way to NodePorts and hostPorts, which the host translates like services.
 */
export function portReachOf(
  { gateway, reach }: Pick<ReachNetwork, "gateway" | "reach">,
  { mac }: Pick<ReachHost, "mac">,
  alias?: PodAlias,
): PortReachOfPod {
  const hasServices = (["services", "host", "outside"] as const).some((word) => reach.has(word));
  return { gateway, hostMac: mac, hasServices, ...alias && { alias } };
}
