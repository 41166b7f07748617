// The policy tables of a bridge as flows in text, and what the switch itself says of a packet. What the
// flows mean is the policy room's matter.
//
// A change is one bundle of `ovs-ofctl add-flows --bundle`, which connects, sends and ends in four turns of
// ovs-vswitchd's main loop. Until 0.1.0 a connection that stayed open did the same in one turn, with 750
// lines that turned ovs-ofctl's text into OpenFlow bytes. From a label at the API server to the packet,
// 500 pods, it took 17 ms by that and 28 ms by ovs-ofctl (p50 of 40 each, by turns; two busy cores, Open
// vSwitch 3.1, 2026-11): the goal is 100 ms, so it went.

import { openControl } from "../transport/appctl.ts";
import { ensureMeter, removeMeter } from "./drop_watch.ts";
import { LINK_COOKIES, POLICY_COOKIES } from "../openflow/cookies.ts";
import { planFlows } from "../openflow/plan_flows.ts";
import type { SwitchOptions } from "../switch.ts";
import { OvsTools } from "../transport/ovs_tools.ts";

// A first bundle of some thousand flows takes ovs-vswitchd a second or two.
const LIMIT_MS = 20_000;
const COOKIES = `cookie=0x${POLICY_COOKIES.value.toString(16)}/0x${
  POLICY_COOKIES.mask.toString(16)
}`;

// Above are numbers of networks.
const HIGHEST_POLICY = 0x7fff_ffff;

// Uplink and patch: their kinds differ in the lowest bit.
const TRUNKS = `table=0,cookie=0x${LINK_COOKIES.uplink.value.toString(16)}/0xfffffffe00000000`;

/** Policy tables of one bridge. Faults of all: timeout, unavailable, failed. */
export interface PolicyTables {
  /** Returns the lines that are there. */
  read(): Promise<string[]>;
  /** Turns `have` into `want` in one bundle: all of it or nothing. */
  change(have: readonly string[], want: readonly string[]): Promise<void>;
  /** Returns the tags whose frames from other hosts are forwarded without the policies' word. */
  openTrunks(): Promise<number[]>;
  /** Returns how many packets each policy has dropped, by its number. */
  drops(): Promise<ReadonlyMap<number, number>>;
  /** Makes the connection tracker forget all of that zone. */
  emptyZone(zone: number): Promise<void>;
  /** Makes the meter that TELL_AND_DROP needs: without it the switch refuses lines with that. */
  ensureMeter(): Promise<void>;
  /** Removes the meter; where there is none, that is a success. */
  removeMeter(): Promise<void>;
  /** Resolves when nothing is cached that was true only before this call. */
  revalidated(): Promise<void>;
  /** Returns what `ofproto/trace` prints for a packet, whose flow is in ovs-ofctl's words. */
  trace(flow: string): Promise<string>;
}

/** Opens the tables of a bridge that `ensureBridge` has made. Nothing has to be closed. */
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
    change: (have, want) => tools.changeFlows(planFlows(have, want), end()),
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

/** Returns the tags of the trunks' lines that forward as a learning switch does. */
export function openTagsOf(lines: readonly string[]): number[] {
  return lines.flatMap((line) => {
    const tag = /,dl_vlan=(\d+) actions=NORMAL$/.exec(line)?.[1];
    return tag === undefined ? [] : [Number(tag)];
  });
}

/** Returns the packets of the lines that count for a policy, by its number. */
export function dropsOf(lines: readonly string[]): Map<number, number> {
  return new Map(lines.flatMap((line): [number, number][] => {
    const [, cookie = "", packets = ""] = /^cookie=(0x[0-9a-f]+),.* n_packets=(\d+)/.exec(line) ??
      [];
    if (cookie === "") return [];
    const number = Number(BigInt(cookie) & ~POLICY_COOKIES.mask);
    return number === 0 || number > HIGHEST_POLICY ? [] : [[number, Number(packets)]];
  }));
}
