// The bridge itself: created, adopted or corrected with ovs-vsctl, for both drivers. Not its ports.

import { Fault } from "../../util/errors.ts";
import { run } from "../../util/run.ts";
import type { RowSelect } from "../ovsdb/select.ts";
import { BASE_COOKIE } from "../openflow/cookies.ts";
import { type Flow, flowText } from "../openflow/flow.ts";
import type { Columns } from "../ovsdb/ovsdb_connection.ts";
import { membersOf, OWNER_KEY, recordFromMap, uuidsOf } from "../ovsdb/port_rows.ts";
import type { Datapath, SwitchOptions } from "../switch.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";

// A module that was loaded; one that is built into the kernel is only listed with its release.
const LOADED = "/sys/module/openvswitch";
const builtIn = () => `/lib/modules/${Deno.osRelease()}/modules.builtin`;

/** OpenFlow versions of our bridges: 1.0 is the default of ovs-ofctl for operators; we use 1.3; 1.4 has bundles. */
export const PROTOCOLS = ["OpenFlow10", "OpenFlow13", "OpenFlow14"];

/** Flows that our bridge always has: what no other flow lets pass is dropped. */
export const BASE_FLOWS: readonly Flow[] = [
  { cookie: BASE_COOKIE, priority: 0, match: {}, action: "drop" },
];

/** The settings of a bridge that are ours. */
export interface BridgeSettings {
  readonly datapath: string;
  readonly failMode: string | undefined;
  readonly protocols: readonly string[];
  readonly owner: string | undefined;
}

const SELECTS: readonly RowSelect[] = [
  { table: "Open_vSwitch", columns: ["datapath_types"] },
  {
    table: "Bridge",
    columns: ["name", "datapath_type", "fail_mode", "protocols", "ports", "external_ids"],
  },
];

/** Creates or corrects the bridge; returns its datapath. Repeatable; ports stay. Faults: conflict, and those of tools. */
export async function ensureBridge(
  tools: OvsTools,
  { bridge, owner, datapath = "auto" }: SwitchOptions,
  endMs: number,
): Promise<string> {
  const [roots = [], bridges = []] = await tools.select(SELECTS, endMs);
  const row = bridges.find(({ name }) => name === bridge);
  const has = row && settingsOf(row);
  if (row && has?.owner !== owner && membersOf(row.ports).length > 1) {
    throw foreign(bridge, { owner: has?.owner, ports: uuidsOf(row.ports).length - 1 });
  }
  const isOurs = has?.owner === owner;
  const types = roots.flatMap((root) => membersOf(root.datapath_types));
  const want: BridgeSettings = {
    datapath: chooseDatapath(datapath, {
      now: isOurs ? has?.datapath : undefined,
      // ovs-vswitchd offers what it was built with, whether or not the kernel has it.
      hasKernel: (types.length === 0 || types.includes("system")) && await hasKernelDatapath(),
    }),
    failMode: "secure",
    protocols: PROTOCOLS,
    owner,
  };
  const args = planBridge(bridge, has, want);
  if (args.length === 0) return want.datapath; // its base flow is synced with the ports' flows
  await tools.vsctl(args, endMs);
  await tools.changeFlows(BASE_FLOWS.map((flow) => `add ${flowText(flow)}`), endMs);
  return want.datapath;
}

/** Returns the arguments of ovs-vsctl that turn `has` into `want`; none where it is so already. Pure. */
export function planBridge(
  bridge: string,
  has: BridgeSettings | undefined,
  want: BridgeSettings,
): string[] {
  const isSame = has && has.datapath === want.datapath && has.failMode === want.failMode &&
    has.owner === want.owner && want.protocols.every((name) => has.protocols.includes(name));
  if (isSame) return [];
  // One transaction: the bridge never exists without its fail mode.
  return [
    ...["--may-exist", "add-br", bridge, "--", "set", "Bridge", bridge],
    ...[`datapath_type=${want.datapath}`, `fail_mode=${want.failMode}`],
    `protocols=${want.protocols.join(",")}`,
    `external_ids:${OWNER_KEY}=${JSON.stringify(want.owner)}`,
  ];
}

/** Returns the datapath of a bridge: the requested one, the one it has, or the best one here. Pure. */
export function chooseDatapath(
  asked: Datapath,
  { now, hasKernel }: { readonly now: string | undefined; readonly hasKernel: boolean },
): string {
  if (asked !== "auto") return asked;
  // A working bridge is not moved to another datapath: that would cut all of its ports.
  if (now === "netdev" || (now === "system" && hasKernel)) return now;
  return hasKernel ? "system" : "netdev";
}

/** Returns our settings of a Bridge row. */
export function settingsOf(row: Columns): BridgeSettings {
  const [failMode] = membersOf(row.fail_mode) as string[];
  return {
    datapath: row.datapath_type === "" ? "system" : String(row.datapath_type),
    failMode,
    protocols: membersOf(row.protocols) as string[],
    owner: recordFromMap(row.external_ids)[OWNER_KEY],
  };
}

function foreign(
  bridge: string,
  { owner, ports }: { readonly owner: string | undefined; readonly ports: number },
): Fault {
  const what = `bridge ${bridge} refused`;
  if (owner === undefined) {
    return new Fault("conflict", what, {
      why: `it was not created by k8contivnet and has ${ports} ports`,
      fix: "set another --bridge, or remove its ports",
    });
  }
  return new Fault("conflict", what, {
    why: `an agent with host label ${owner} set it up, and it has ${ports} ports`,
    fix: `start this agent with --host-label ${owner}, or with another --bridge; do not remove ` +
      "the ports, which cuts their pods off",
  });
}

// By commands, as Deno allows /sys only with -A; nsenter without a namespace only starts them.
async function hasKernelDatapath(): Promise<boolean> {
  const says = (...args: string[]) => run("nsenter", ["--", ...args]).then(() => true, () => false);
  return await says("test", "-d", LOADED) ||
    await says("grep", "-qs", "/openvswitch.ko", builtIn());
}
