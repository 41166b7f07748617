// An endpoint belongs to the pod that has it while that pod runs, and an interface that is there stays.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const TENANT = { Namespaces: ["prod", "staging"] };
const DB = { Name: "n", Endpoints: [{ Container: "db-0" }] };

const portsOf = ({ host }: MemoryAgent) =>
  [...host.switch.rows.values()].map(({ externalIds: ids }) => `${ids.namespace}/${ids.pod}`);

Deno.test("an endpoint without a Namespace stays with the pod that has it; the same name elsewhere is refused", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  const prod = startPod(agent.host, "db-0", "prod");
  await agent.setUp(prod);
  const before = agent.state();
  const staging = startPod(agent.host, "db-0", "staging");
  const fault = await assertRejects(() => agent.setUp(staging), Fault, "belongs to pod prod/db-0");
  assertEquals(fault.code, "conflict");
  assertEquals(agent.state(), before);
  const [left] = agent.agent.sandboxes.unmatched.list();
  assertStringIncludes(left!.reason, "belongs to pod prod/db-0, which runs on host1");
});

Deno.test("two pods of one name that are set up at once share nothing: one of them is refused", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  const pods = ["prod", "staging"].map((namespace) => startPod(agent.host, "db-0", namespace));
  const results = await Promise.allSettled(pods.map((pod) => agent.setUp(pod)));
  assertEquals(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assertEquals([agent.attachments().length, agent.host.switch.rows.size], [1, 1]);
});

Deno.test("the refused pod gets what else the intent has for it", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB, { Name: "rest", Default: true }], TENANT);
  await agent.setUp(startPod(agent.host, "db-0", "prod"));
  const { attachments } = await agent.setUp(startPod(agent.host, "db-0", "staging"));
  assertEquals(attachments.map(({ network }) => network), ["rest"]);
  assertEquals(portsOf(agent), ["prod/db-0", "staging/db-0"]);
});

Deno.test("the endpoint is free again when its pod was torn down, or its sandbox is gone", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  const prod = startPod(agent.host, "db-0", "prod");
  await agent.setUp(prod);
  const staging = startPod(agent.host, "db-0", "staging");
  await agent.agent.tearDown(prod);
  await agent.setUp(staging);
  assertEquals(portsOf(agent), ["staging/db-0"]);
  agent.host.runtimes.kill(staging.sandbox);
  await agent.setUp(startPod(agent.host, "db-0", "prod"));
  assertEquals(portsOf(agent), ["prod/db-0"]);
});

Deno.test("a refused pod is attached by a reconciliation once its endpoint is free", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  const [prod, staging] = ["prod", "staging"].map((one) => startPod(agent.host, "db-0", one));
  await agent.setUp(prod!);
  await assertRejects(() => agent.setUp(staging!), Fault);
  await agent.agent.tearDown(prod!);
  await agent.agent.loops.reconcile.reconcileOnce();
  assertEquals(portsOf(agent), ["staging/db-0"]);
});

Deno.test("a runtime that does not answer does not prove that the holder's sandbox is gone", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  await agent.setUp(startPod(agent.host, "db-0", "prod"));
  agent.host.runtimes.recorder.fail("isAlive", new Fault("timeout", "no answer"));
  const fault = await assertRejects(() => agent.setUp(startPod(agent.host, "db-0", "staging")));
  assertStringIncludes(String(fault), "belongs to pod prod/db-0");
});

Deno.test("an endpoint stays with its pod on another host, too; the same pod may move", async () => {
  using one = await startMemoryAgent({ isShared: true });
  using two = await startMemoryAgent({
    ...{ label: "host2", isShared: true, store: one.store.another() },
  });
  await one.apply([DB], TENANT);
  await one.setUp(startPod(one.host, "db-0", "prod"));
  await two.cache.catchUp();
  const staging = startPod(two.host, "db-0", "staging");
  await assertRejects(() => two.setUp(staging), Fault, "runs on host1");
  const { attachments } = await two.setUp(startPod(two.host, "db-0", "prod"));
  assertEquals(attachments[0]?.addresses, ["10.9.0.1/24"]);
});

Deno.test("an endpoint that AttachUUID assigns to a sandbox is that sandbox's, even if another one has it", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([DB], TENANT);
  await agent.setUp(startPod(agent.host, "db-0", "prod"));
  const staging = startPod(agent.host, "db-0", "staging");
  await agent.intents.apply({
    mode: "bindings",
    text: JSON.stringify([{ Container: "db-0", Host: "host1", AttachUUID: staging.sandbox }]),
  });
  await agent.setUp(staging);
  assertEquals(portsOf(agent), ["staging/db-0"]);
});

Deno.test("an endpoint written later leaves the pod's first interface as it is, and gets the next name", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", DefaultGw: "10.9.0.254", Endpoints: [{ Container: "p1" }] }]);
  const pod = startPod(agent.host, "p1");
  await agent.setUp(pod);
  const [first] = agent.attachments();
  const [row] = [...agent.host.switch.rows.values()];
  // By tenant, its network comes before the one that is there.
  await agent.apply([], {
    ...{ Name: "a", SubnetPool: "10.8.0.0/16", Vlans: "300-400" },
    Networks: [{ Name: "m", DefaultGw: "10.8.0.254", Endpoints: [{ Container: "p1" }] }],
  });
  assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
  const byName = new Map(agent.attachments().map((one) => [one.interface, one]));
  assertEquals([...byName.keys()].sort(), ["eth0", "net1"]);
  assertEquals(byName.get("eth0"), first);
  assertEquals([byName.get("net1")?.tenant, byName.get("net1")?.gateway], ["a", undefined]);
  assertEquals(agent.host.switch.rows.get(row!.name), row);
  assertEquals(await agent.agent.answerVerb("status", pod), { ip: "10.9.0.1" });
  const removed = agent.host.switch.calls.filter((call) => call.startsWith("removePorts cv"));
  assertEquals(removed, []);
});

Deno.test("a new sandbox of the pod has its interfaces in the order of tenants, as before", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "p1" }] }]);
  await agent.apply([], {
    ...{ Name: "a", SubnetPool: "10.8.0.0/16", Vlans: "300-400" },
    Networks: [{ Name: "m", Endpoints: [{ Container: "p1" }] }],
  });
  const { attachments } = await agent.setUp(startPod(agent.host, "p1"));
  assertEquals(attachments.map(({ tenant, interface: name }) => `${tenant} ${name}`), [
    ...["a eth0", "t net1"],
  ]);
});
