// Policy tables on a real Open vSwitch: what they read is what they wrote, and a change that the switch
// rejects, or does not take over in time, leaves nothing.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { failClosedFlows, trunkDropFlow } from "../../lib/agent/policy/fail_closed.ts";
import { REPORT_AND_DROP } from "../../lib/ovs/policy_tables/drop_watch.ts";
import { openPolicyTables } from "../../lib/ovs/policy_tables/policy_tables.ts";
import { planFlows } from "../../lib/ovs/openflow/plan_flows.ts";
import { DROP, flowKey } from "../../lib/policy/flows/pipeline.ts";
import { Fault } from "../../lib/util/errors.ts";
import { BRIDGE, FlowBridge, soon } from "../lab/flow_bridge.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { bridgeIsUp } from "../lab/ovs.ts";
import { build } from "../unit/policy/build.ts";
import { Dice, randomWorld } from "../unit/policy/random_worlds.ts";

const WORLDS = 40;

const flowOf = (n: number, actions = "drop") =>
  `${flowKey(10, 20, `reg0=0x64,reg1=0x${(n + 1).toString(16)}`)} actions=${actions}`;
const range = (count: number) => Array.from({ length: count }, (_, n) => n);

/** Returns flows of a random world as one of the agent's switches has them at some time. */
function randomFlows(seed: number): string[] {
  const dice = new Dice(seed * 15_485_863);
  const { flows } = build(randomWorld(dice), dice.chance(50) ? REPORT_AND_DROP : DROP);
  const lines = flows.flows();
  const closing = dice.chance(30) ? failClosedFlows(lines, flows.tags) : [];
  return [...lines, ...closing, ...dice.chance(30) ? [trunkDropFlow(1 + dice.below(4_094))] : []];
}

/** Lets the entry table take `limit` flows and no more. */
async function limitTable({ ovs }: FlowBridge, limit: number): Promise<void> {
  await ovs.vsctl(
    ...["--", "--id=@t", "create", "Flow_Table", `flow_limit=${limit}`, "overflow_policy=refuse"],
    ...["--", "set", "Bridge", BRIDGE, "flow_tables:10=@t"],
  );
}

Deno.test("flows of random policies are read as they were written, after each change", async () => {
  await using bridge = await FlowBridge.start();
  const tables = openPolicyTables(bridge.place);
  let have: string[] = [];
  for (let seed = 1; seed <= WORLDS; seed++) {
    const desired = [...new Set(randomFlows(seed))].sort();
    await tables.change(have, desired);
    have = (await tables.read()).sort();
    assertEquals(have, desired, `seed ${seed}`);
  }
});

Deno.test("a deletion deletes the flow that it names, and none beside it", async () => {
  await using bridge = await FlowBridge.start();
  const flow = "cookie=0x6b38000600000000, table=10, priority=20,ip,reg0=0x64,nw_src=10.0.0.1";
  const others = [
    flow.replace("table=10", "table=11"),
    flow.replace("priority=20", "priority=21"),
    flow.replace("ip,", "").replace(",nw_src=10.0.0.1", ""),
    flow.replace("reg0=0x64", "reg0=0x64,reg1=0x1"),
    "cookie=0x6b38000600000000, priority=20,ip,reg0=0x64,nw_src=10.0.0.1",
    "cookie=0x77, table=12, priority=20,ip,reg0=0x64",
  ].map((one) => `${one} actions=drop`);
  const tables = openPolicyTables(bridge.place);
  await tables.change([], [`${flow} actions=drop`, ...others]);
  const sameMatch = others.at(-1)!.replace("0x77", "0x78");
  await tables.change([`${flow} actions=drop`, sameMatch], []);
  assertEquals(await bridge.flows(), others.sort());
});

Deno.test("a change leaves nothing where a table is full, and the fault says so", async () => {
  await using bridge = await FlowBridge.start();
  const tables = openPolicyTables(bridge.place);
  await limitTable(bridge, 3);
  const flows = range(5).map((n) => flowOf(n));
  const fault = await assertRejects(() => tables.change([], flows), Fault);
  assertEquals(fault.code, "failed");
  assertMatch(fault.message, /OFPFMFC_TABLE_FULL/);
  assertEquals(await tables.read(), []);
  await tables.change([], flows.slice(0, 3));
  assertEquals((await tables.read()).sort(), flows.slice(0, 3));
});

Deno.test("a change with a meter that does not exist leaves nothing, and the fault says so", async () => {
  await using bridge = await FlowBridge.start();
  const tables = openPolicyTables(bridge.place);
  await tables.change([], [flowOf(1, REPORT_AND_DROP)]);
  await tables.removeMeter();
  const flows = [flowOf(2), flowOf(3, REPORT_AND_DROP), flowOf(4)];
  const fault = await assertRejects(() => tables.change([], flows), Fault);
  assertMatch(fault.message, /METER/);
  assertEquals(await tables.read(), []);
  await tables.ensureMeter();
  await tables.change([], flows);
  assertEquals((await tables.read()).sort(), flows);
});

Deno.test("a switch that hangs: the change ends in time, and is not made later", async () => {
  await using bridge = await FlowBridge.start();
  const pid = bridge.ovs.vswitchdPid!;
  freezeProcess(pid);
  try {
    const late = bridge.tools.changeFlows(planFlows([], [flowOf(1)]), soon(1_000));
    const fault = await assertRejects(() => late, Fault);
    assertEquals(fault.code, "timeout");
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  const tables = openPolicyTables(bridge.place);
  await tables.change([], [flowOf(2)]);
  assertEquals(await tables.read(), [flowOf(2)]);
});

Deno.test("another program's flow is removed, and a restart of the switch is survived", async () => {
  await using bridge = await FlowBridge.start();
  const tables = openPolicyTables(bridge.place);
  const flows = range(3).map((n) => flowOf(n));
  await tables.change([], flows);
  await bridge.ovs.ofctl(
    ...["add-flow", BRIDGE, "-OOpenFlow13"] as const,
    "table=10,cookie=0x6b38000600000000,priority=9,ip,nw_tos=4,actions=drop",
  );
  const have = await tables.read();
  assert(have.length > flows.length);
  await tables.change(have, flows);
  assertEquals((await tables.read()).sort(), flows);
  await bridge.ovs.killVswitchd();
  const fault = await assertRejects(() => tables.change(flows, []), Fault);
  assertEquals(fault.code, "unavailable");
  await bridge.ovs.startVswitchd();
  await bridgeIsUp(bridge.ovs, BRIDGE);
  await tables.change([], flows);
  assertEquals((await tables.read()).sort(), flows);
});
