// DEL, CHECK, GC and STATUS on drivers in memory.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Fault } from "../../../../lib/util/errors.ts";
import { netnsOf, startRuntime } from "./cni_runtime.ts";

const N = { Name: "n", DefaultGw: "10.9.0.254", Default: true };

Deno.test("DEL is a success before ADD, twice, without namespace and without prevResult, and leaves nothing", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const before = agent.state();
  assertEquals((await runtime.call("DEL")).exit, 0);
  await runtime.call("ADD");
  agent.host.kernel.deleteNamespace(netnsOf("c1"));
  for (let times = 0; times < 4; times++) assertEquals((await runtime.call("DEL")).exit, 0);
  assertEquals(agent.state(), before);
});

Deno.test("DEL by another network's name releases the interface all the same", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  await runtime.call("ADD");
  const { exit } = await runtime.call("DEL", { config: { name: "renamed", prevResult: null } });
  assertEquals([exit, agent.attachments().length], [0, 0]);
});

Deno.test("DEL that meets an unreachable switch fails as transient, and a repeated one succeeds", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  await runtime.call("ADD");
  agent.host.switch.failNext("removePorts", new Fault("unavailable", "no switch"));
  const { exit, json } = await runtime.call("DEL");
  assertEquals([exit, json.code, json.msg], [1, 11, "no switch"]);
  assertEquals((await runtime.call("DEL")).exit, 0);
  assertEquals(agent.attachments(), []);
});

Deno.test("a container whose ADD is running is deleted after it", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const goOn = agent.host.switch.hangNext("addPort");
  const adding = runtime.call("ADD");
  const deleting = runtime.call("DEL");
  goOn();
  assertEquals([(await adding).exit, (await deleting).exit], [0, 0]);
  assertEquals(agent.attachments(), []);
});

Deno.test("an ADD that fails leaves nothing, whatever fails", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const before = agent.state();
  agent.host.switch.failNext("addPort", new Fault("timeout", "no answer"), "after");
  const { exit, json } = await runtime.call("ADD");
  assertEquals([exit, json.code], [1, 11]);
  assertEquals(agent.state(), before);
  assertEquals((await runtime.call("ADD")).exit, 0);
});

Deno.test("CHECK names what differs: link, address, route, host end, row, flows, record", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  await runtime.call("ADD");
  assertEquals((await runtime.call("CHECK")).json, {});
  const { kernel, switch: ovs } = agent.host;
  const inside = kernel.namespaceAt(netnsOf("c1"))!;
  const link = inside.links.get("eth0")!;
  const [row] = [...ovs.rows.values()];
  const differs = async (words: string) => {
    const { exit, json } = await runtime.call("CHECK");
    assertEquals([exit, json.code], [1, 105], words);
    assertStringIncludes(String(json.details), words);
  };
  const route = inside.defaultRoute;
  inside.defaultRoute = undefined;
  await differs("the default route via 10.9.0.254 is gone");
  inside.defaultRoute = route;
  link.mtu = 1_400;
  await differs("interface eth0 has MTU 1400 instead of 1500");
  link.mtu = 1_500;
  ovs.rows.set(row!.name, { ...row!, tag: 7 });
  await differs("has VLAN 7 instead of 100");
  ovs.rows.delete(row!.name);
  await differs(`Open vSwitch has no port ${row!.name}`);
  ovs.rows.set(row!.name, row!);
  ovs.loseFlows();
  await differs("Open vSwitch misses flow");
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals((await runtime.call("CHECK")).exit, 0);
  link.addresses = [];
  await differs("interface eth0 lacks address 10.9.0.1/24");
  kernel.deleteLink(link);
  await differs("interface eth0 is gone");
  const prevResult = { cniVersion: "1.1.0", interfaces: [], ips: [] };
  const other = await runtime.call("CHECK", { config: { prevResult } });
  assertStringIncludes(String(other.json.details), "prevResult has no address 10.9.0.1/24");
  runtime.start("c9");
  const unknown = await runtime.call("CHECK", { container: "c9", config: { prevResult } });
  assertEquals(unknown.json.code, 3);
});

Deno.test("GC releases what its runtime does not have, of its own network only", async () => {
  using bench = await startRuntime([N, { Name: "k" }]);
  const { agent, runtime } = bench;
  for (const container of ["c1", "c2", "c3"]) await runtime.call("ADD", { container });
  await runtime.call("ADD", { container: "c4", config: { name: "others" } });
  await runtime.call("ADD", { container: "c1", ifname: "net1", config: { network: "k" } });
  assertEquals(agent.attachments().length, 5);
  const seen = () => [...new Set(agent.attachments().map((one) => one.sandbox))].sort().join();
  const valid = (...names: string[]) => ({
    "cni.dev/valid-attachments": names.map((containerID) => ({ containerID, ifname: "eth0" })),
  });
  const missing = await runtime.call("GC");
  assertEquals([missing.exit, missing.json.code, seen()], [1, 7, "c1,c2,c3,c4"]);
  assertEquals((await runtime.call("GC", { config: valid("c2", "c1") })).exit, 0);
  assertEquals([seen(), agent.attachments().length], ["c1,c2,c4", 3]);
  agent.host.switch.failNext("removePorts", new Fault("unavailable", "no switch"));
  const failed = await runtime.call("GC", { config: valid() });
  assertEquals([failed.exit, failed.json.code, seen().split(",").length], [1, 11, 2]);
  assertEquals((await runtime.call("GC", { config: valid() })).exit, 0);
  assertEquals(seen(), "c4");
});

Deno.test("GC with null as list releases what has no namespace any more, and keeps all else", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  for (const container of ["c1", "c2", "c3"]) await runtime.call("ADD", { container });
  await runtime.call("ADD", { container: "c4", config: { name: "others" } });
  const seen = () => agent.attachments().map((one) => one.sandbox).sort().join();
  const config = { "cni.dev/valid-attachments": null, "cni.dev/attachments": null };
  assertEquals([(await runtime.call("GC", { config })).exit, seen()], [0, "c1,c2,c3,c4"]);
  for (const container of ["c2", "c4"]) agent.host.kernel.deleteNamespace(netnsOf(container));
  agent.host.runtimes.recorder.fail("isAlive", new Fault("timeout", "no answer"), { times: 3 });
  assertEquals([(await runtime.call("GC", { config })).exit, seen()], [0, "c1,c2,c3,c4"]);
  assertEquals([(await runtime.call("GC", { config })).exit, seen()], [0, "c1,c3,c4"]);
});

Deno.test("GC leaves what is being added, though it is recorded as ready", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const goOn = agent.host.switch.hangNext("addPort");
  const adding = runtime.call("ADD");
  const states = () => agent.attachments().map(({ state }) => state);
  for (let turns = 0; states()[0] !== "ready" && turns < 1_000; turns++) {
    await new Promise((done) => setTimeout(done));
  }
  const collecting = runtime.call("GC", { config: { "cni.dev/valid-attachments": [] } });
  assertEquals([(await collecting).exit, states()], [0, ["ready"]]);
  goOn();
  assertEquals([(await adding).exit, states()], [0, ["ready"]]);
  await runtime.call("GC", { config: { "cni.dev/valid-attachments": [] } });
  assertEquals(states(), []);
});

Deno.test("STATUS says why an ADD would fail: switch, store, pool", async () => {
  using bench = await startRuntime([{ ...N, AllocRange: "10.9.0.1-10.9.0.2" }, { Name: "k" }]);
  const { agent, runtime } = bench;
  const status = async (config = {}) => {
    const { json } = await runtime.call("STATUS", { config });
    return json.code === undefined ? "ready" : `${json.code} ${json.msg}`;
  };
  assertEquals(await status(), "ready");
  for (const container of ["c1", "c2"]) await runtime.call("ADD", { container });
  assertEquals(await status(), "50 no address is left in t/n");
  assertEquals(await status({ network: "k" }), "ready");
  await runtime.call("DEL");
  assertEquals(await status(), "ready");
  agent.host.switch.connections = { ovsdb: "up", openflow: "down" };
  assertEquals(await status(), "51 ovs-vswitchd is unreachable");
  agent.host.switch.connections = { ovsdb: "down", openflow: "down" };
  assertEquals(await status(), "51 ovsdb-server is unreachable");
  const asked = status();
  agent.host.switch.connections = { ovsdb: "up", openflow: "up" };
  assertEquals(await asked, "ready", "a connection that comes up is waited for");
});

Deno.test("after a power cut, DEL and GC of old containers come before their pods' new ADDs: HoldAddress keeps the addresses", async () => {
  using bench = await startRuntime([{ ...N, HoldAddress: "1h" }]);
  const { agent, runtime } = bench;
  const addressOf = (sandbox: string) =>
    agent.attachments().find((one) => one.sandbox === sandbox)?.addresses[0];
  for (const n of [1, 2, 3]) {
    await runtime.call("ADD", { container: `old${n}`, pod: `default/p${n}` });
  }
  const before = [1, 2, 3].map((n) => addressOf(`old${n}`));
  for (const n of [1, 2, 3]) agent.host.kernel.deleteNamespace(netnsOf(`old${n}`));
  assertEquals((await runtime.call("DEL", { container: "old1", pod: "default/p1" })).exit, 0);
  assertEquals((await runtime.call("GC", { config: { "cni.dev/valid-attachments": [] } })).exit, 0);
  // Others come in another order.
  for (const n of [3, 1, 2]) {
    await runtime.call("ADD", { container: `new${n}`, pod: `default/p${n}` });
  }
  assertEquals([1, 2, 3].map((n) => addressOf(`new${n}`)), before);
});

Deno.test("containers that are gone without a DEL are released after the grace period", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const before = agent.state();
  await runtime.call("ADD", { container: "c1" });
  await runtime.call("ADD", { container: "abcdef012345" });
  agent.host.kernel.deleteNamespace(netnsOf("c1"));
  agent.host.kernel.deleteNamespace(netnsOf("abcdef012345"));
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(agent.attachments().length, 2);
  for (let seconds = 0; seconds < 70; seconds += 10) {
    agent.time.now += 10_000;
    await agent.agent.loops.reconcile.reconcileOnce();
  }
  assertEquals(agent.state(), before);
});

Deno.test("250 containers that were deleted while their host was off are given back by GC", async () => {
  using bench = await startRuntime([N]);
  const { agent, runtime } = bench;
  const before = agent.state();
  const containers = Array.from({ length: 250 }, (_, n) => `c${n}`);
  const added = await Promise.all(
    containers.map((container) => runtime.call("ADD", { container })),
  );
  assertEquals(added.filter(({ exit }) => exit === 0).length, 250);
  for (const container of containers) agent.host.kernel.deleteNamespace(netnsOf(container));
  const config = { "cni.dev/valid-attachments": [] };
  assertEquals((await runtime.call("GC", { config })).exit, 0);
  assertEquals(agent.state(), before);
});
