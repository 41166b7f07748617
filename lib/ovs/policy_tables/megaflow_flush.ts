// Makes the datapath forget what it has cached, whenever the policies' lines change.
//
// ovs-vswitchd goes through its cached flows (megaflows) after a change. One that is still narrow
// enough gets its new actions in place; one that is too wide is deleted. On the userspace datapath the
// first goes wrong where two of them overlap: the one that is changed is looked up by a packet, not by
// its name, and may be the other one. What should have been changed then keeps the rules of before, for
// as long as there are packets: connections that are allowed stay cut, and what is forbidden by now
// goes on. Open vSwitch before 2.17.8, 3.0.5, 3.1.3 and 3.3.0 has this fault ("dpif-netdev: Fix
// dpif_netdev_flow_put"); Debian 12 has 3.1.0.
//
// So each change of lines makes all megaflows too wide. A flow at the top of table 0, which no packet can
// meet, must yet be looked at for each: the bit of pkt_mark that it asks for is then part of every
// megaflow. The next change asks for another bit instead, which none of them has. Nothing is lost by
// it: the next packet of each connection is looked up in the tables once more.

import { planFlows } from "../openflow/plan_flows.ts";
import type { PolicyTables } from "./policy_tables.ts";
import { withDeadline } from "../../util/async/deadline.ts";

const BITS = 32;
// Registers are zero when a packet comes into table 0.
const NEVER = "reg15=0x1";
const PLACE = `cookie=0x6b38000600000000, priority=65535,${NEVER},pkt_mark=`;
const OURS = /^cookie=0x6b38000600000000,.* priority=65535,.*pkt_mark=(0x[0-9a-f]+)\//;
const REST_MS = 5_000;

/** Policy tables that leave nothing cached of before a change. */
export interface FlushingTables extends PolicyTables {
  /** Makes the datapath forget; for changes that are none of the tables' lines. Faults: as change(). */
  renew(): Promise<void>;
  /** There is no line any more: nothing is left of the renewals, either. Faults: as change(). */
  rest(): Promise<void>;
}

/** Returns the flow that asks for that bit. */
export function flushFlow(bit: number): string {
  const word = `0x${(2 ** bit).toString(16)}`;
  return `${PLACE}${word}/${word} actions=drop`;
}

/** Returns the bit that a flow asks for; undefined for any other flow. */
export function bitOf(line: string): number | undefined {
  const word = OURS.exec(line)?.[1];
  return word === undefined ? undefined : Math.log2(Number(word));
}

/** Returns the bit for the next change, where these are asked for: for as long as may be none of them. */
export function nextBit(bits: readonly number[]): number {
  const last = bits.at(-1) ?? BITS - 1;
  const others = Array.from({ length: BITS }, (_, n) => (last + 1 + n) % BITS);
  return others.find((bit) => !bits.includes(bit)) ?? 0;
}

/** Returns `tables`; each change of lines renews as long as `isNeeded`. */
export function flushing(tables: PolicyTables, isNeeded: () => boolean): FlushingTables {
  // Lines of renewals that the switch has; undefined where only the switch knows.
  let have: readonly string[] | undefined;
  const take = (lines: readonly string[]) => {
    have = lines.filter((line) => bitOf(line) !== undefined);
    return lines.filter((line) => bitOf(line) === undefined);
  };
  const change = async (lines: readonly string[], want: readonly string[], next: boolean) => {
    if (have === undefined) take(await tables.read());
    const before = have ?? [];
    const bits = before.flatMap((line) => bitOf(line) ?? []);
    const now = next ? [flushFlow(nextBit(bits))] : [];
    have = undefined;
    await tables.change([...lines, ...before], [...want, ...now]);
    have = now;
  };
  return {
    openTrunks: () => tables.openTrunks(),
    drops: () => tables.drops(),
    emptyZone: (zone) => tables.emptyZone(zone),
    ensureMeter: () => tables.ensureMeter(),
    removeMeter: () => tables.removeMeter(),
    revalidated: () => tables.revalidated(),
    trace: (flow) => tables.trace(flow),
    read: async () => take(await tables.read()),
    change: async (lines, want) => {
      if (planFlows(lines, want).length > 0) await change(lines, want, isNeeded());
    },
    renew: async () => {
      if (isNeeded()) await change([], [], true);
    },
    rest: async () => {
      if (have?.length === 0) return;
      // What is cached of before has to go first.
      const endMs = performance.now() + REST_MS;
      await withDeadline(endMs, "ovs-vswitchd did not revalidate", tables.revalidated());
      await change([], [], false);
    },
  };
}
