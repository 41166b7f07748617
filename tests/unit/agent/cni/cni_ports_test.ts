// Pods of CNI runtimes get plain ports, and nothing is kept ready for them.

import { assertEquals } from "@std/assert";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { NETWORK, reconcileOnce, WARM } from "../../../memory/warm_agent.ts";
import { CniRuntime } from "./cni_runtime.ts";

Deno.test("a network whose pods are all of a CNI runtime has no pool, until another pod comes", async () => {
  using agent = await startMemoryAgent(WARM);
  await agent.apply([NETWORK]);
  await reconcileOnce(agent);
  const runtime = new CniRuntime(agent);
  assertEquals((await runtime.call("ADD", { container: "web" })).exit, 0);
  await agent.agent.loops.warmPool.fill();
  await reconcileOnce(agent);
  assertEquals([agent.host.switch.rows.size, agent.host.kernel.host.links.size], [1, 1]);
  assertEquals(agent.host.warmLinks.recorder.calls.length, 0);
  await agent.setUp(startPod(agent.host, "db"));
  await agent.agent.loops.warmPool.fill();
  assertEquals(agent.host.switch.rows.size, 2 + 16);
  assertEquals((await runtime.call("ADD", { container: "cache" })).exit, 0);
  assertEquals(agent.attachments().filter(({ port }) => port !== undefined), []);
});
