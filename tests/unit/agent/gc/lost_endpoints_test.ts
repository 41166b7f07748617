// Endpoints that set-ups created and whose records were lost while their pods run, on a whole agent.

import { assert, assertEquals } from "@std/assert";
import { restoreEndpoints } from "../../../../lib/agent/gc/restore_endpoints.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { partsOf } from "../agent_parts.ts";

const ENDPOINT = "endpoints/t/n/default~web";
const CLAIM = "claims/ip/t/n/10.9.0.1";

/** Starts an agent with a pod of a default network, whose endpoint is then lost with its claim. */
async function startLost({ isRecordLost = false } = {}) {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Default: true }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  const before = agent.state();
  const record = `attachments/host1/${pod.sandbox}/eth0`;
  agent.store.database.put({
    ...{ [ENDPOINT]: undefined, [CLAIM]: undefined },
    ...isRecordLost ? { [record]: undefined } : {},
  });
  await agent.cache.catchUp();
  const deps = partsOf(agent);
  const { rows } = await deps.plumbing.observe();
  return { agent, pod, before, deps, restore: () => restoreEndpoints(deps, rows) };
}

const hasEndpoint = ({ store }: MemoryAgent) =>
  [ENDPOINT, CLAIM].map((key) => store.database.documents.has(key));

for (const isRecordLost of [false, true]) {
  const from = isRecordLost ? "its port" : "its attachment";
  Deno.test(`a running pod whose endpoint was lost gets it back from ${from}, and keeps its address`, async () => {
    const { agent, before, deps, restore } = await startLost({ isRecordLost });
    using _ = agent;
    await restore();
    assertEquals(hasEndpoint(agent), [true, true]);
    const warnings = deps.log.lines.filter((line) => line.startsWith("warn endpoint restored"));
    assertEquals(warnings.length, 1);
    assert(warnings[0]!.includes("pod=default/web"), warnings[0]);
    await agent.agent.loops.reconcile.reconcileOnce();
    assertEquals(agent.state(), before);
  });
}

Deno.test("a reconciliation restores the endpoint before it releases what has none", async () => {
  const { agent, before } = await startLost();
  using _ = agent;
  assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
  assertEquals(agent.state(), before);
});

Deno.test("an endpoint that was lost is not restored for a sandbox that has ended", async () => {
  const { agent, pod, restore } = await startLost();
  using _ = agent;
  agent.host.runtimes.kill(pod.sandbox);
  await restore();
  assertEquals(hasEndpoint(agent), [false, false]);
});

Deno.test("an endpoint that was lost is not restored after a teardown that came first", async () => {
  const { agent, pod, restore } = await startLost();
  using _ = agent;
  const teardown = agent.agent.answerVerb("teardown", pod);
  await restore();
  await teardown;
  assertEquals(hasEndpoint(agent), [false, false]);
});

Deno.test("where nothing is lost, nothing is written and no sandbox is checked", async () => {
  const { agent, restore } = await startLost();
  using _ = agent;
  await restore();
  const { revision } = agent.store.database;
  agent.host.runtimes.recorder.calls.length = 0;
  await restore();
  assertEquals([agent.store.database.revision, agent.host.runtimes.recorder.calls], [revision, []]);
});
