// Warm ports on a whole agent in memory: filled, used, parked, and what is done about those that cannot be used.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { isWarmPort } from "../../../../lib/agent/pods/port_external_ids.ts";
import { innerEndUnusable } from "../../../../lib/net/sandbox_checks.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import {
  type MemoryAgent,
  type MemoryHost,
  startMemoryAgent,
  startPod,
} from "../../../memory/memory_agent.ts";
import {
  ENDPOINTS,
  NETWORK,
  portOf,
  reconcileOnce,
  startFilled,
  WARM,
} from "../../../memory/warm_agent.ts";

const parkedOf = ({ host }: MemoryAgent) =>
  [...host.switch.rows.values()].filter((row) => row.externalIds.attachment === undefined);
/** Waits until the links of pods that went are removed. */
const settle = () => new Promise((done) => setTimeout(done, 60));

Deno.test("the first pod of a network has a port of its own, the next ones have warm ports", async () => {
  using agent = await startFilled();
  assertEquals(portOf(agent, agent.first), undefined);
  assertEquals(parkedOf(agent).map(({ tag }) => tag), Array(16).fill(11));
  const pod = startPod(agent.host, "db");
  await agent.setUp(pod);
  const port = portOf(agent, pod)!;
  assert(isWarmPort(port));
  assertEquals(agent.host.switch.rows.get(port)?.externalIds.pod, "db");
  assertEquals(parkedOf(agent).length, 15);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals([portOf(agent, pod), parkedOf(agent).length], [port, 15]);
});

Deno.test("a torn down pod's port is parked, and serves the next pod", async () => {
  using agent = await startFilled();
  const [one, two] = [startPod(agent.host, "db"), startPod(agent.host, "db")];
  await agent.setUp(one);
  const port = portOf(agent, one)!;
  const flows = agent.host.switch.flows().length;
  await agent.agent.tearDown(one);
  assertEquals(agent.host.switch.rows.get(port)?.externalIds, {
    ...{ tenant: "t", network: "n", mtu: "1500" },
  });
  assertEquals(agent.host.switch.flows().length, flows - 3);
  await settle();
  assertEquals(parkedOf(agent).length, 16);
  await agent.setUp(two);
  assert(isWarmPort(portOf(agent, two)!));
  assertEquals(await reconcileOnce(agent), 0);
});

Deno.test("an agent that starts anew knows all ports from rows and links", async () => {
  using before = await startFilled();
  const pod = startPod(before.host, "db");
  await before.setUp(pod);
  const port = portOf(before, pod);
  using agent = await startMemoryAgent({ ...WARM, host: before.host, store: before.store });
  const state = agent.state();
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.state(), state);
  const next = startPod(agent.host, "cache");
  await agent.setUp(next);
  assert(isWarmPort(portOf(agent, next)!));
  assertEquals(portOf(agent, pod), port);
});

Deno.test("a lost record is restored from the row of a warm port", async () => {
  using before = await startFilled();
  const pod = startPod(before.host, "db");
  await before.setUp(pod);
  const [key] = [...before.store.database.documents.keys()].filter((one) =>
    one.startsWith("attachments/") && one.includes(pod.sandbox)
  );
  before.store.database.documents.delete(key!);
  using agent = await startMemoryAgent({ ...WARM, host: before.host, store: before.store });
  await reconcileOnce(agent);
  assertEquals(portOf(agent, pod), portOf(before, pod));
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("an agent without --ports warm keeps pods' warm ports and removes the others", async () => {
  using before = await startFilled();
  const pod = startPod(before.host, "db");
  await before.setUp(pod);
  using agent = await startMemoryAgent({ host: before.host, store: before.store });
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals([parkedOf(agent).length, portOf(agent, pod)], [0, portOf(before, pod)]);
  await agent.agent.tearDown(pod);
  await settle();
  await reconcileOnce(agent);
  assertEquals([...agent.host.switch.rows.keys()].filter(isWarmPort), []);
  assertEquals([...agent.host.kernel.host.links.keys()].filter(isWarmPort), []);
});

Deno.test("an agent without a driver of warm ports replaces them", async () => {
  using before = await startFilled();
  const pod = startPod(before.host, "db");
  await before.setUp(pod);
  const host = { ...before.host, warmLinks: undefined };
  using agent = await startMemoryAgent({
    host: host as unknown as MemoryHost,
    store: before.store,
  });
  await reconcileOnce(agent);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(portOf(agent, pod), undefined);
  assertEquals([...host.switch.rows.keys()].filter(isWarmPort), []);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("after a reboot pods whose sandboxes are back have ports of their own, and pools are anew", async () => {
  using before = await startFilled();
  const pod = startPod(before.host, "db");
  await before.setUp(pod);
  const { kernel } = before.host;
  for (const name of [...kernel.host.links.keys()]) kernel.deleteLink(kernel.host.links.get(name)!);
  kernel.deleteNamespace("/run/netns/hold");
  using agent = await startMemoryAgent({ ...WARM, host: before.host, store: before.store });
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.attachments().map(({ port, state }) => [port, state]), [
    [undefined, "ready"],
    [undefined, "ready"],
  ]);
  assertEquals(parkedOf(agent), []);
  await agent.agent.loops.warmPool.fill();
  assertEquals(parkedOf(agent).length, 16);
});

Deno.test("a set-up whose warm port cannot be used succeeds with a port of its own", async () => {
  using agent = await startFilled();
  const { warmLinks } = agent.host;
  warmLinks.recorder.fail("attachPod", innerEndUnusable("cw1", "it is occupied"));
  const pod = startPod(agent.host, "db");
  await agent.setUp(pod);
  assertEquals([portOf(agent, pod), parkedOf(agent).length], [undefined, 15]);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
  assertEquals(await reconcileOnce(agent), 0);
});

Deno.test("a pod's interface is created when its flows are on their way, and not where they are refused", async () => {
  using agent = await startFilled();
  const { switch: ovs, warmLinks: { recorder } } = agent.host;
  const release = ovs.hangNext("assignPort");
  const pod = startPod(agent.host, "db");
  const ready = agent.setUp(pod);
  await settle();
  assertEquals(recorder.argsOf("attachPod"), []);
  release();
  await ready;
  assertEquals(recorder.argsOf("attachPod").length, 1);
  ovs.failNext("assignPort", new Fault("failed", "by the test"));
  await assertRejects(() => agent.setUp(startPod(agent.host, "cache")), Fault, "by the test");
  assertEquals(recorder.argsOf("attachPod").length, 1);
});

Deno.test("a row that somebody removed makes no set-up fail", async () => {
  using agent = await startFilled();
  for (const { name } of parkedOf(agent)) agent.host.switch.rows.delete(name);
  const pod = startPod(agent.host, "db");
  await agent.setUp(pod);
  assertEquals(portOf(agent, pod), undefined);
  await settle();
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals([...agent.host.kernel.host.links.keys()].filter(isWarmPort), []);
});

for (const afterWork of [false, true]) {
  Deno.test(
    `a set-up whose attachPod() fails ${
      afterWork ? "with all done" : "at once"
    } leaves a free port`,
    async () => {
      using agent = await startFilled();
      const before = agent.state();
      const fault = new Fault("failed", "by the test");
      agent.host.warmLinks.recorder.fail("attachPod", fault, { afterWork });
      await assertRejects(() => agent.setUp(startPod(agent.host, "db")), Fault, "by the test");
      await settle();
      assertEquals(await reconcileOnce(agent), 0);
      assertEquals(agent.state(), before);
      assertEquals(parkedOf(agent).length, 16);
    },
  );
}

for (const moment of ["before", "after"] as const) {
  Deno.test(`a set-up whose assignPort() fails ${moment} its work leaves a free port`, async () => {
    using agent = await startFilled();
    const before = agent.state();
    agent.host.switch.failNext("assignPort", new Fault("failed", "by the test"), moment);
    await assertRejects(() => agent.setUp(startPod(agent.host, "db")), Fault, "by the test");
    await settle();
    assertEquals(await reconcileOnce(agent), 0);
    assertEquals(agent.state(), before);
  });
}

for (const moment of ["before", "after"] as const) {
  Deno.test(`a teardown whose parkPorts() fails ${moment} its work is repeated, and frees the port`, async () => {
    using agent = await startFilled();
    const pod = startPod(agent.host, "db");
    await agent.setUp(pod);
    agent.host.switch.failNext("parkPorts", new Fault("timeout", "by the test"), moment);
    await assertRejects(() => agent.agent.tearDown(pod), Fault, "by the test");
    await agent.agent.tearDown(pod);
    await settle();
    assertEquals(parkedOf(agent).length, 16);
    await agent.setUp(pod);
    assertEquals(agent.attachments().map((one) => one.interface), ["eth0", "eth0"]);
    assert(isWarmPort(portOf(agent, pod)!));
    assertEquals(await reconcileOnce(agent), 0);
  });
}

Deno.test("nobody gets a port whose undo has not ended", async () => {
  using agent = await startFilled();
  const { switch: ovs } = agent.host;
  const release = ovs.hangNext("parkPorts");
  ovs.failNext("assignPort", new Fault("timeout", "by the test"));
  await assertRejects(() => agent.setUp(startPod(agent.host, "db")), Fault, "by the test");
  const [name] = /cw[0-9a-f]{11}/.exec(
    ovs.calls.findLast((call) => call.startsWith("assignPort"))!,
  )!;
  await agent.agent.loops.warmPool.fill();
  const pods = ["db", "cache"].map((pod) => startPod(agent.host, pod));
  for (const pod of pods) await agent.setUp(pod);
  assert(!pods.map((pod) => portOf(agent, pod)).includes(name));
  release();
  await settle();
  await agent.agent.loops.warmPool.fill();
  assertEquals(parkedOf(agent).length, 14);
});

Deno.test("a pod that keeps its interface in another namespace loses its port for good", async () => {
  using agent = await startFilled();
  const pod = startPod(agent.host, "db");
  await agent.setUp(pod);
  const port = portOf(agent, pod)!;
  agent.host.warmLinks.recorder.fail("detachPod", innerEndUnusable(port, "its pod has moved it"));
  await agent.agent.tearDown(pod);
  await settle();
  assertEquals([agent.host.switch.rows.has(port), agent.host.kernel.host.links.has(port)], [
    ...[false, false],
  ]);
});

Deno.test("a kernel without macvlan has no warm ports, and says so", async () => {
  using agent = await startMemoryAgent(WARM);
  agent.host.warmLinks.hasMacvlan = false;
  await agent.apply([NETWORK]);
  await reconcileOnce(agent);
  await agent.setUp(startPod(agent.host, "web"));
  await agent.agent.loops.warmPool.fill();
  await agent.setUp(startPod(agent.host, "db"));
  assertEquals([...agent.host.switch.rows.keys()].filter(isWarmPort), []);
  assert(agent.logged.some((line) => line.includes("no macvlan")));
});

Deno.test("a filling that fails leaves nothing, and the next one fills", async () => {
  using agent = await startMemoryAgent(WARM);
  await agent.apply([NETWORK]);
  await reconcileOnce(agent);
  await agent.setUp(startPod(agent.host, "web"));
  const before = agent.state();
  agent.host.switch.failNext("addParkedPorts", new Fault("timeout", "by the test"));
  await assertRejects(() => agent.agent.loops.warmPool.fill(), Fault, "by the test");
  assertEquals(agent.state(), before);
  await agent.agent.loops.warmPool.fill();
  assertEquals(parkedOf(agent).length, 16);
});

Deno.test("what an agent killed while filling left is removed", async () => {
  using before = await startFilled();
  for (const { name } of parkedOf(before).slice(2)) before.host.switch.rows.delete(name);
  using agent = await startMemoryAgent({ ...WARM, host: before.host, store: before.store });
  await reconcileOnce(agent);
  assertEquals(agent.state().links.filter(isWarmPort), agent.state().rows.filter(isWarmPort));
});

Deno.test("20 pods at once get ports, warm ones as far as there are any", async () => {
  using agent = await startFilled();
  const names = Array.from({ length: 20 }, (_, n) => `more${n}`);
  const Endpoints = [...ENDPOINTS, ...names.map((Container) => ({ Container }))];
  await agent.apply([{ ...NETWORK, Endpoints }]);
  const pods = names.map((name) => startPod(agent.host, name));
  await Promise.all(pods.map((pod) => agent.setUp(pod)));
  const ports = pods.map((pod) => portOf(agent, pod));
  assertEquals(ports.filter((port) => port !== undefined).length, 16);
  assertEquals(new Set(ports).size, 17);
  assertEquals(await reconcileOnce(agent), 0);
  await Promise.all(pods.map((pod) => agent.agent.tearDown(pod)));
  await settle();
  assertEquals(parkedOf(agent).length, 16);
});

Deno.test("another tag or MTU of the network makes parked ports useless, and pods keep theirs", async () => {
  using agent = await startFilled();
  const pod = startPod(agent.host, "db");
  await agent.setUp(pod);
  await agent.apply([{ ...NETWORK, Mtu: 1400 }]);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(parkedOf(agent), []);
  const port = portOf(agent, pod)!;
  assertEquals(agent.host.kernel.host.links.get(port)?.mtu, 1400);
  await agent.agent.loops.warmPool.fill();
  assertEquals(parkedOf(agent).length, 16);
});
