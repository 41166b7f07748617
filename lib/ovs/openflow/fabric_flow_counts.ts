// How many flows of uplink and tunnel each bridge has: cheap enough to be counted every few seconds, so that
// a deletion by another program is noticed without reading each flow.

import { countFlows } from "./flow_count.ts";
import { LINK_COOKIES } from "./cookies.ts";

/** Returns the numbers as text, to be compared with an earlier one; an unreachable bridge has none. */
export async function flowCounts(
  { rundir, bridge, tunnelBridge }: {
    readonly rundir: string;
    readonly bridge: string;
    readonly tunnelBridge: string;
  },
  endMs: number,
): Promise<string> {
  const { uplink, patch, tunnel } = LINK_COOKIES;
  const asks = [[bridge, [uplink, patch]], [tunnelBridge, [tunnel]]] as const;
  const counts = await Promise.all(asks.map(async ([name, cookies]) => {
    const numbers = await countFlows(`${rundir}/${name}.mgmt`, cookies, endMs);
    return `${name} ${numbers?.join("+") ?? "unreachable"}`;
  }));
  return counts.join(", ");
}
