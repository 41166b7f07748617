// Bundles of flows over a connection of our own, on a real Open vSwitch that refuses them, hangs, or goes:
// all of a bundle is done or nothing of it, and later ones find what the earlier ones left.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { FlowChange } from "../../lib/ovs/openflow/bundle/flow_mod.ts";
import { TELL_AND_DROP } from "../../lib/ovs/policy_tables/drop_watch.ts";
import { planFlows } from "../../lib/ovs/ports/antispoof_flows.ts";
import { openOpenFlow } from "../../lib/ovs/openflow/openflow_connection.ts";
import { openPolicyTables, type PolicyTables } from "../../lib/ovs/policy_tables/policy_tables.ts";
import { placeOf } from "../../lib/policy/flows/pipeline.ts";
import { Fault } from "../../lib/util/errors.ts";
import { encoded, FlowBridges, OURS, soon, THEIRS } from "../lab/flow_bridges.ts";
import { bridgeIsUp } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";

const lineOf = (n: number, { table = 10, actions = "drop" } = {}) =>
  `${placeOf(table, 20, `reg0=0x64,reg1=0x${(n + 1).toString(16)}`)} actions=${actions}`;
const adding = (...lines: readonly string[]) => encoded(lines.map((line) => `add ${line}`));
const range = (count: number, from = 0) => Array.from({ length: count }, (_, n) => from + n);

/** Lets table `table` of our bridge take `limit` flows and no more. */
async function limitTable({ ovs }: FlowBridges, table: number, limit: number): Promise<void> {
  await ovs.vsctl(
    ...["--", "--id=@t", "create", "Flow_Table", `flow_limit=${limit}`, "overflow_policy=refuse"],
    ...["--", "set", "Bridge", OURS, `flow_tables:${table}=@t`],
  );
}

/** Returns a change as it is, but for an action that no switch knows. */
function unreadable(change: FlowChange): FlowChange {
  const message = change.message.slice();
  message[message.length - 7] = 0xee; // lower half of a resubmit's subtype
  return { ...change, message };
}

/** Takes lines away and brings them back without any command; reports whether that was possible. */
async function changesAlone(tables: PolicyTables, lines: readonly string[]): Promise<boolean> {
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", "/nowhere");
  try {
    await tables.change(lines, []);
    await tables.change([], lines);
    return true;
  } catch (error) {
    assertMatch(String(error), /ovs-ofctl is not installed/);
    return false;
  } finally {
    Deno.env.set("PATH", path);
  }
}

const FORMS = ["that the switch has not taken before", "that the switch has taken before"];

for (const [isProven, what] of FORMS.entries()) {
  Deno.test(`a bundle of lines ${what} leaves nothing where a table is full`, async () => {
    await using bridges = await FlowBridges.start();
    const connection = await bridges.connect();
    const first = range(isProven).map((n) => lineOf(n, { table: 30 }));
    await connection.send(adding(...first), soon());
    await limitTable(bridges, 10, 3);
    const lines = range(5).map((n) => lineOf(n));
    const fault = await assertRejects(() => connection.send(adding(...lines), soon()), Fault);
    assertEquals(fault.code, "failed");
    assertMatch(fault.message, /refused.*OFPFMFC_TABLE_FULL for "add cookie=.*reg1=0x4 /);
    assertEquals(await bridges.flows(), first);
    await connection.send(adding(...lines.slice(0, 3)), soon());
    assertEquals(await bridges.flows(), [...first, ...lines.slice(0, 3)].sort());
  });
}

Deno.test("a message that the switch cannot read takes the whole bundle with it", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const lines = range(5).map((n) => lineOf(n, { actions: "resubmit(,11)" }));
  const changes = adding(...lines).map((one, n) => n === 2 ? unreadable(one) : one);
  const fault = await assertRejects(() => connection.send(changes, soon()), Fault);
  assertMatch(fault.message, /refused.*OFPET_BAD_ACTION.* for "add cookie=.*reg1=0x3 /);
  assertEquals(await bridges.flows(), []);
  await connection.send(adding(...lines), soon());
  assertEquals(await bridges.flows(), lines);
});

Deno.test("a bundle with a meter that is not there leaves nothing, and says so", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const told = lineOf(1, { actions: TELL_AND_DROP });
  await connection.send(adding(told), soon());
  assertEquals(await bridges.flows(), [told]);
  await bridges.tools(OURS).ofctl("del-meters", [], { endMs: soon() });
  const changes = adding(lineOf(2), lineOf(3, { actions: TELL_AND_DROP }), lineOf(4));
  const fault = await assertRejects(() => connection.send(changes, soon()), Fault);
  assertMatch(fault.message, /refused.*METER/);
  assertEquals(await bridges.flows(), []);
});

Deno.test("bundles that are sent all at once are done one after another", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  await Promise.all(
    range(20).map((n) => {
      const line = lineOf(0, { actions: `resubmit(,${30 + n})` });
      return connection.send(adding(line, lineOf(100 + n)), soon());
    }),
  );
  const flows = await bridges.flows();
  assertEquals(flows.length, 21);
  assert(flows.includes(lineOf(0, { actions: "resubmit(,49)" })));
});

Deno.test("a switch that hangs: the call ends in time, and what is sent next comes after it", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  await connection.send(adding(lineOf(0)), soon());
  const pid = bridges.ovs.vswitchdPid!;
  Deno.kill(pid, "SIGSTOP");
  try {
    const start = performance.now();
    const fault = await assertRejects(
      () => connection.send(adding(lineOf(0, { actions: "resubmit(,30)" }), lineOf(1)), soon(300)),
      Fault,
    );
    assertEquals(fault.code, "timeout");
    assert(performance.now() - start < 2_000);
    const next = await assertRejects(() => connection.send(adding(lineOf(2)), soon(200)), Fault);
    assertEquals(next.code, "timeout");
    assertEquals((await assertRejects(() => connection.settled(soon(100)), Fault)).code, "timeout");
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
  await connection.settled(soon());
  await connection.send(adding(lineOf(3)), soon());
  const flows = await bridges.flows();
  // Of the bundle whose form was new nothing is done; the second was given up before it was sent.
  assertEquals(flows, [lineOf(0), lineOf(3)].sort());
});

Deno.test("a switch that hangs and then does what it was sent: what is sent next comes after it", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  await connection.send(adding(lineOf(0)), soon());
  Deno.kill(bridges.ovs.vswitchdPid!, "SIGSTOP");
  const late = adding(lineOf(1), lineOf(2));
  const fault = await assertRejects(() => connection.send(late, soon(300)), Fault);
  assertEquals(fault.code, "timeout");
  const next = connection.send(encoded(planFlows([lineOf(1)], [lineOf(3)])), soon());
  Deno.kill(bridges.ovs.vswitchdPid!, "SIGCONT");
  await next;
  assertEquals(await bridges.flows(), [lineOf(0), lineOf(2), lineOf(3)].sort());
});

Deno.test("a switch that is killed under a bundle: the call ends at once", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  Deno.kill(bridges.ovs.vswitchdPid!, "SIGSTOP");
  const sent = assertRejects(() => connection.send(adding(lineOf(1)), soon(20_000)), Fault);
  const queued = assertRejects(() => connection.send(adding(lineOf(2)), soon(20_000)), Fault);
  const start = performance.now();
  await bridges.ovs.killVswitchd();
  for (const fault of await Promise.all([sent, queued])) assertEquals(fault.code, "unavailable");
  assert(performance.now() - start < 5_000);
  assertEquals((await connection.ended).code, "unavailable");
  await connection.settled(soon(1_000));
});

Deno.test("thousands of lines at once are done, and ports' flows do not wait for them", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const ports = await openOpenFlow(`${bridges.ovs.rundir}/${OURS}.mgmt`, {
    ring: () => {},
    endMs: soon(),
  });
  try {
    const lines = range(5_000).map((n) => lineOf(n));
    let isDone = false;
    const done = connection.send(adding(...lines), soon(20_000)).then(() => isDone = true);
    // On the same connection it would be answered after all of them, a hundred turns of the switch later.
    await ports.barrier();
    assert(!isDone, "ports were answered after the bundle");
    await done;
    assertEquals((await bridges.flows()).length, 5_000);
  } finally {
    ports.close();
  }
});

Deno.test("tables over a connection: others' lines go, too, and a restart of the switch is lived through", async () => {
  await using bridges = await FlowBridges.start();
  const tables = openPolicyTables(bridges.place());
  try {
    const lines = range(3).map((n) => lineOf(n));
    await tables.change([], lines); // by ovs-ofctl: there is no connection yet
    await waitFor("a connection", () => changesAlone(tables, lines));
    assertEquals((await tables.read()).sort(), lines);
    await bridges.ovs.ofctl(
      ...["add-flow", OURS, "-OOpenFlow13"] as const,
      "table=10,cookie=0x6b38000600000000,priority=9,ip,nw_tos=4,actions=drop",
    );
    const strange = (await tables.read()).filter((line) => !lines.includes(line));
    assertEquals(strange.length, 1);
    await tables.change([...lines, ...strange], lines);
    assertEquals((await tables.read()).sort(), lines);
    await bridges.ovs.killVswitchd();
    const fault = await assertRejects(() => tables.change(lines, []), Fault);
    assertEquals(fault.code, "unavailable");
    await bridges.ovs.startVswitchd();
    await bridgeIsUp(bridges.ovs, OURS);
    await tables.change([], lines);
    assertEquals((await tables.read()).sort(), lines);
    await waitFor("the connection to be back", () => changesAlone(tables, lines));
    assertEquals((await tables.read()).sort(), lines);
  } finally {
    tables.close();
  }
  const fault = await assertRejects(
    () => openPolicyTables(bridges.place("nowhere")).change([], [lineOf(1)]),
    Fault,
  );
  assertEquals(fault.code, "unavailable");
  assertEquals(await bridges.flows(THEIRS), []);
});
