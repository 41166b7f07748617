// Which ports the pods of CNI runtimes get: warm ones where the configuration says so, and the agent has them.

import { assert, assertEquals } from "@std/assert";
import { isWarmPort } from "../../../../lib/agent/pods/port_external_ids.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { NETWORK, reconcileOnce, WARM } from "../../../memory/warm_agent.ts";
import { CniRuntime, netnsOf } from "./cni_runtime.ts";

const config = { ports: "warm" };

/** Starts an agent with a network, and a runtime beside it. */
async function startNetwork(options: Parameters<typeof startMemoryAgent>[0] = {}) {
  const agent = await startMemoryAgent(options);
  await agent.apply([NETWORK]);
  await reconcileOnce(agent);
  return { agent, runtime: new CniRuntime(agent), [Symbol.dispose]: () => agent[Symbol.dispose]() };
}

const portsOf = (agent: MemoryAgent) =>
  Object.fromEntries(agent.attachments().map(({ sandbox, port }) => [sandbox, port !== undefined]));
/** Waits until the links of pods that went are removed. */
const settle = () => new Promise((done) => setTimeout(done, 60));

Deno.test("a network whose pods' configuration does not ask for warm ports has no pool, until another pod comes", async () => {
  using bench = await startNetwork(WARM);
  const { agent, runtime } = bench;
  assertEquals((await runtime.call("ADD", { container: "web" })).exit, 0);
  await agent.agent.loops.warmPool.fill();
  await reconcileOnce(agent);
  assertEquals([agent.host.switch.rows.size, agent.host.kernel.host.links.size], [1, 1]);
  assertEquals(agent.host.warmLinks.recorder.calls.length, 0);
  await agent.setUp(startPod(agent.host, "db"));
  await agent.agent.loops.warmPool.fill();
  assertEquals(agent.host.switch.rows.size, 2 + 16);
  const plain = { container: "cache", config: { ports: "plain" } };
  assertEquals((await runtime.call("ADD", plain)).exit, 0);
  assertEquals(Object.values(portsOf(agent)), [false, false, false]);
});

Deno.test("the second pod whose configuration asks for a warm port has one, from ADD to DEL", async () => {
  using bench = await startNetwork(WARM);
  const { agent, runtime } = bench;
  assertEquals((await runtime.call("ADD", { container: "web", config })).exit, 0);
  await agent.agent.loops.warmPool.fill();
  const { exit, json } = await runtime.call("ADD", { container: "db", config });
  assertEquals([exit, portsOf(agent)], [0, { web: false, db: true }]);
  const [hostEnd, podEnd] = json.interfaces as { readonly name: string }[];
  assert(isWarmPort(hostEnd!.name));
  assertEquals(podEnd, {
    ...{ name: "eth0", mac: "02:02:0a:09:00:02", mtu: 1_500, sandbox: netnsOf("db") },
  });
  assertEquals(agent.host.switch.rows.get(hostEnd!.name)?.externalIds["cni-network"], "pods");
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals((await runtime.call("CHECK", { container: "db", config })).exit, 0);
  const again = await runtime.call("ADD", { container: "db", config, isRetry: true });
  assertEquals([again.exit, again.json], [0, json]);
  // The configuration may have changed since.
  assertEquals((await runtime.call("DEL", { container: "db" })).exit, 0);
  await settle();
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.host.switch.rows.get(hostEnd!.name)?.mac, undefined);
  assertEquals((await runtime.call("ADD", { container: "cache", config })).exit, 0);
  assertEquals(portsOf(agent), { web: false, cache: true });
});

Deno.test("a pool lasts where all of a network's pods are of a runtime; GC returns ports to it", async () => {
  using bench = await startNetwork(WARM);
  const { agent, runtime } = bench;
  for (const container of ["web", "db"]) {
    assertEquals((await runtime.call("ADD", { container, config })).exit, 0);
    await agent.agent.loops.warmPool.fill();
  }
  assertEquals((await runtime.call("DEL", { container: "web" })).exit, 0);
  agent.time.now += 3_600_000;
  await agent.agent.loops.warmPool.fill();
  assertEquals(agent.host.switch.rows.size, 16);
  const list = { "cni.dev/valid-attachments": [] };
  assertEquals((await runtime.call("GC", { config: { ...config, ...list } })).exit, 0);
  await settle();
  assertEquals(portsOf(agent), {});
  assertEquals(agent.host.switch.rows.size, 16);
});

Deno.test("an agent without warm ports gives plain ones; another word is refused", async () => {
  using bench = await startNetwork();
  const { agent, runtime } = bench;
  for (const container of ["web", "db"]) {
    assertEquals((await runtime.call("ADD", { container, config })).exit, 0);
    await agent.agent.loops.warmPool.fill();
  }
  assertEquals(portsOf(agent), { web: false, db: false });
  const { json } = await runtime.call("ADD", { container: "cache", config: { ports: "hot" } });
  assertEquals([json.code, json.msg], [7, 'ports "hot" is not valid']);
});
