// How many flows of uplink and tunnel there are on each bridge: cheap enough to be asked every few
// seconds, so that somebody's deletion is noticed without a look at each flow.

import { countFlows } from "./flow_count.ts";
import { LINK_COOKIES } from "./cookies.ts";

/** Returns the numbers in words that are the same as long as they are; a bridge that is away has none. */
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
    return `${name} ${numbers?.join("+") ?? "away"}`;
  }));
  return counts.join(", ");
}
