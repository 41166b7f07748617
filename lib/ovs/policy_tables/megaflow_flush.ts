// Flushes the cached flows of the datapath (megaflows) whenever the flows of the policies change.
//
// ovs-vswitchd revalidates its megaflows after a change. One that is still narrow enough gets its new actions
// in place; one that is too wide is deleted. On the userspace datapath the first fails where two of them
// overlap: the one to change is looked up by a packet, not by its identity, and may be the other one. The one
// that should have been changed then keeps the old rules, for as long as there are packets: allowed connections
// stay cut, and forbidden ones continue. Open vSwitch before 2.17.8, 3.0.5, 3.1.3 and 3.3.0 has this bug
// ("dpif-netdev: Fix dpif_netdev_flow_put"); Debian 12 has 3.1.0.
//
// So each change of flows makes all megaflows too wide. A flow at the top of table 0, which no packet can match,
// must still be compared with each: the bit of pkt_mark that it matches on is then part of every megaflow. The
// next change matches on another bit instead, which none of them has. Nothing is lost: the next packet of each
// connection is looked up in the tables once more.

import { planFlows } from "../openflow/plan_flows.ts";
import type { PolicyTables } from "./policy_tables.ts";
import { withDeadline } from "../../util/async/deadline.ts";

const BITS = 32;
// Registers are zero when a packet enters table 0.
const NEVER = "reg15=0x1";
const PLACE = `cookie=0x6b38000600000000, priority=65535,${NEVER},pkt_mark=`;
const OURS = /^cookie=0x6b38000600000000,.* priority=65535,.*pkt_mark=(0x[0-9a-f]+)\//;
const REVALIDATE_MS = 5_000;

/** Policy tables that flush the datapath's cache with each change. */
export interface FlushingTables extends PolicyTables {
  /** Flushes the cache; for changes of flows that are not in the tables. Faults: as change(). */
  flush(): Promise<void>;
  /** Removes the flush flow, when the tables have no flows any more. Faults: as change(). */
  removeFlushFlow(): Promise<void>;
}

/** Returns the flush flow that matches on that bit. */
export function flushFlow(bit: number): string {
  const mark = `0x${(2 ** bit).toString(16)}`;
  return `${PLACE}${mark}/${mark} actions=drop`;
}

/** Returns the bit that a flush flow matches on; undefined for any other flow. */
export function flushBitOf(flow: string): number | undefined {
  const bit = OURS.exec(flow)?.[1];
  return bit === undefined ? undefined : Math.log2(Number(bit));
}

/** Returns the bit for the next change, where these are in use: the one that was used longest ago. */
export function nextFlushBit(bits: readonly number[]): number {
  const last = bits.at(-1) ?? BITS - 1;
  const others = Array.from({ length: BITS }, (_, n) => (last + 1 + n) % BITS);
  return others.find((bit) => !bits.includes(bit)) ?? 0;
}

/** Returns `tables` with a flush at each change of flows, as long as `isNeeded`. */
export function flushing(tables: PolicyTables, isNeeded: () => boolean): FlushingTables {
  // Flush flows that the switch has; undefined where only the switch knows.
  let flushFlows: readonly string[] | undefined;
  const withoutFlushFlows = (flows: readonly string[]) => {
    flushFlows = flows.filter((flow) => flushBitOf(flow) !== undefined);
    return flows.filter((flow) => flushBitOf(flow) === undefined);
  };
  const change = async (
    existing: readonly string[],
    desired: readonly string[],
    { isFlushing }: { readonly isFlushing: boolean },
  ) => {
    if (flushFlows === undefined) withoutFlushFlows(await tables.read());
    const before = flushFlows ?? [];
    const bits = before.flatMap((flow) => flushBitOf(flow) ?? []);
    const now = isFlushing ? [flushFlow(nextFlushBit(bits))] : [];
    flushFlows = undefined;
    await tables.change([...existing, ...before], [...desired, ...now]);
    flushFlows = now;
  };
  return {
    openTrunks: () => tables.openTrunks(),
    drops: () => tables.drops(),
    emptyZone: (zone) => tables.emptyZone(zone),
    ensureMeter: () => tables.ensureMeter(),
    removeMeter: () => tables.removeMeter(),
    revalidated: () => tables.revalidated(),
    trace: (flow) => tables.trace(flow),
    read: async () => withoutFlushFlows(await tables.read()),
    change: async (existing, desired) => {
      if (planFlows(existing, desired).length === 0) return;
      await change(existing, desired, { isFlushing: isNeeded() });
    },
    flush: async () => {
      if (isNeeded()) await change([], [], { isFlushing: true });
    },
    removeFlushFlow: async () => {
      if (flushFlows?.length === 0) return;
      // Cached flows from before have to go first.
      const endMs = performance.now() + REVALIDATE_MS;
      await withDeadline(endMs, "ovs-vswitchd did not revalidate", tables.revalidated());
      await change([], [], { isFlushing: false });
    },
  };
}
