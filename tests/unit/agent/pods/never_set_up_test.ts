// A kubelet that was restarted between the infra container's start and its set-up never calls `setup` for it
// again, only `status`.

import { assert, assertEquals } from "@std/assert";
import { KUBELETS_TURN_MS } from "../../../../lib/agent/pods/known_containers.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

/** Starts an agent, whose runtime is listed as its follower does, with network t/n as it is given. */
async function startAgent(network: object) {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", ...network }]);
  await list(agent);
  return agent;
}

async function list({ agent, host, time }: MemoryAgent): Promise<void> {
  const listed = await host.runtimes.listSandboxes();
  agent.sandboxes.containers.take(listed!, { now: time.now, isAttached: () => false });
}

const reconcileOnce = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();

for (const network of [{ Default: true }, { Endpoints: [{ Container: "web" }] }]) {
  Deno.test(`a pod whose kubelet calls only status is attached after its kubelet's time: ${JSON.stringify(network)}`, async () => {
    using agent = await startAgent(network);
    const pod = startPod(agent.host, "web");
    await list(agent);
    assertEquals(await agent.agent.answerVerb("status", pod), {});
    await reconcileOnce(agent);
    assertEquals(agent.attachments(), []);
    agent.time.now += KUBELETS_TURN_MS;
    await agent.agent.answerVerb("status", pod);
    // It asks for a reconciliation, which does not have to wait for its period.
    await agent.agent.signals.reconcile.wait({ signal: new AbortController().signal });
    assertEquals(await reconcileOnce(agent), 0);
    assertEquals(agent.attachments().map(({ sandbox }) => sandbox), [pod.sandbox]);
    assertEquals(await agent.agent.answerVerb("status", pod), { ip: "10.9.0.1" });
    assert(agent.logged.some((line) => line.includes("its kubelet has asked only for its status")));
  });
}

Deno.test("a pod whose kubelet never asked for it may be another plugin's: no Default network takes it", async () => {
  using agent = await startAgent({ Default: true });
  startPod(agent.host, "web");
  await list(agent);
  agent.time.now += 2 * KUBELETS_TURN_MS;
  await reconcileOnce(agent);
  assertEquals(agent.attachments(), []);
});

Deno.test("a pod that was torn down is not attached again, however often its status is asked for", async () => {
  using agent = await startAgent({ Default: true });
  const pod = startPod(agent.host, "web");
  await list(agent);
  await agent.setUp(pod);
  await agent.agent.answerVerb("teardown", pod);
  agent.time.now += 2 * KUBELETS_TURN_MS;
  await agent.agent.answerVerb("status", pod);
  await reconcileOnce(agent);
  assertEquals(agent.attachments(), []);
});
