// How many flows of uplink and overlay there are on each bridge: cheap enough to be asked every few
// seconds, so that somebody's deletion is noticed without a look at each flow.

import { type CookieSet, LINK_COOKIES } from "../flows.ts";
import { OpenFlowConnection } from "../openflow_connection.ts";
import { within } from "../waits.ts";
import { openWire } from "../wire.ts";

/** Gives the numbers in words that are the same as long as they are; a bridge that is away has none. */
export async function flowCounts(
  { rundir, bridge, tunnelBridge }: {
    readonly rundir: string;
    readonly bridge: string;
    readonly tunnelBridge: string;
  },
  endMs: number,
): Promise<string> {
  const { uplink, patch, overlay } = LINK_COOKIES;
  const asks = [[bridge, [uplink, patch]], [tunnelBridge, [overlay]]] as const;
  const counts = await Promise.all(asks.map(async ([name, cookies]) => {
    return `${name} ${await countOn(`${rundir}/${name}.mgmt`, cookies, endMs)}`;
  }));
  return counts.join(", ");
}

async function countOn(
  path: string,
  cookies: readonly CookieSet[],
  endMs: number,
): Promise<string> {
  const wire = await openWire(path, "ovs-vswitchd").catch(() => undefined);
  if (!wire) return "away";
  const connection = new OpenFlowConnection(wire, () => {});
  try {
    connection.greet();
    const all = Promise.all(cookies.map((one) => connection.countFlows(one)));
    return (await within(endMs, "ovs-vswitchd did not count", all)).join("+");
  } finally {
    connection.close();
  }
}
