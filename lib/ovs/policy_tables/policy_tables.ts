// The policy tables of a bridge as flows in text, and what the switch itself says of a packet. What the
// flows mean is the policy room's matter.
//
// A change is one bundle of `ovs-ofctl add-flows --bundle`, which connects, sends and commits in four turns of
// ovs-vswitchd's main loop. Until 0.1.0 an own connection that stayed open did the same in one turn, with 750
// lines of code that encoded ovs-ofctl's text as OpenFlow bytes. From a label at the API server to the packet,
// 500 pods, that took 17 ms and ovs-ofctl takes 28 ms (p50 of 40 each, alternating; two busy cores, Open
// vSwitch 3.1, 2026-11): the goal is 100 ms, so the code was removed.

import { openControl } from "../tools/appctl.ts";
import { ensureMeter, removeMeter } from "./drop_watch.ts";
import { LINK_COOKIES, POLICY_COOKIES } from "../openflow/cookies.ts";
import { planFlowsKeepingCounters } from "../openflow/plan_flows.ts";
import type { SwitchOptions } from "../switch.ts";
import { OvsTools } from "../tools/ovs_tools.ts";

// A first bundle of some thousand flows takes ovs-vswitchd a second or two.
const LIMIT_MS = 20_000;
const COOKIES = `cookie=0x${POLICY_COOKIES.value.toString(16)}/0x${
  POLICY_COOKIES.mask.toString(16)
}`;

// Higher ones are numbers of networks.
const HIGHEST_POLICY = 0x7fff_ffff;

// Uplink and patch: their kinds differ in the lowest bit.
const TRUNKS = `table=0,cookie=0x${LINK_COOKIES.uplink.value.toString(16)}/0xfffffffe00000000`;

/** Policy tables of one bridge. Faults of all calls: timeout, unavailable, failed. */
export interface PolicyTables {
  /** Returns the existing flows. */
  read(): Promise<string[]>;
  /** Turns `existing` into `desired` in one bundle: all of it or nothing. */
  change(existing: readonly string[], desired: readonly string[]): Promise<void>;
  /** Returns the tags whose frames from other hosts are forwarded without the policy tables. */
  openTrunks(): Promise<number[]>;
  /** Returns how many packets each policy has dropped, by policy number. */
  drops(): Promise<ReadonlyMap<number, number>>;
  /** Removes all entries of that zone from the connection tracker. */
  emptyZone(zone: number): Promise<void>;
  /** Creates the meter that REPORT_AND_DROP needs: without it the switch rejects flows with that action. */
  ensureMeter(): Promise<void>;
  /** Removes the meter; an absent one is a success. */
  removeMeter(): Promise<void>;
  /** Resolves when no cached flow is older than this call. */
  revalidated(): Promise<void>;
  /** Returns what `ofproto/trace` prints for a packet, which is written as a flow of ovs-ofctl. */
  trace(flow: string): Promise<string>;
}

/** Opens the tables of a bridge that `ensureBridge` has created. Nothing has to be closed. */
export function openPolicyTables(options: SwitchOptions): PolicyTables {
  const tools = new OvsTools(options);
  const { rundir, bridge } = options;
  const end = () => performance.now() + LIMIT_MS;
  const dump = async (...words: string[]) => {
    const text = await tools.ofctl("dump-flows", ["--no-names", ...words], { endMs: end() });
    return text.split("\n").map((line) => line.trim()).filter((line) => line.startsWith("cookie="));
  };
  return {
    read: () => dump("--no-stats", COOKIES),
    change: (existing, desired) =>
      tools.changeFlows(planFlowsKeepingCounters(existing, desired), end()),
    openTrunks: async () => openTagsOf(await dump("--no-stats", TRUNKS)),
    drops: async () => dropsOf(await dump(COOKIES)),
    emptyZone: async (zone) => {
      await tools.ofctl("ct-flush-zone", [String(zone)], { endMs: end() });
    },
    ensureMeter: () => ensureMeter(tools, end()),
    removeMeter: () => removeMeter(tools, end()),
    revalidated: async () => {
      using control = await openControl(rundir);
      // The first answer may be that of a round that had begun before.
      for (let round = 0; round < 2; round++) await control.ask("revalidator/wait", [], end());
    },
    trace: async (flow) => {
      using control = await openControl(rundir);
      return await control.ask("ofproto/trace", [bridge, flow], end());
    },
  };
}

/** Returns the tags of the trunks' flows that forward as a learning switch does. */
export function openTagsOf(flows: readonly string[]): number[] {
  return flows.flatMap((flow) => {
    const tag = /,dl_vlan=(\d+) actions=NORMAL$/.exec(flow)?.[1];
    return tag === undefined ? [] : [Number(tag)];
  });
}

/** Returns the packet counts of the flows that count for a policy, by policy number. */
export function dropsOf(flows: readonly string[]): Map<number, number> {
  return new Map(flows.flatMap((flow): [number, number][] => {
    const [, cookie = "", packets = ""] = /^cookie=(0x[0-9a-f]+),.* n_packets=(\d+)/.exec(flow) ??
      [];
    if (cookie === "") return [];
    const number = Number(BigInt(cookie) & ~POLICY_COOKIES.mask);
    return number === 0 || number > HIGHEST_POLICY ? [] : [[number, Number(packets)]];
  }));
}
