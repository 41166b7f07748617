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
  const records = [ENDPOINT, record].map((key) => agent.store.database.get(key) as object);
  agent.store.database.put({
    ...{ [ENDPOINT]: undefined, [CLAIM]: undefined },
    ...isRecordLost ? { [record]: undefined } : {},
  });
  await agent.cache.catchUp();
  const deps = partsOf(agent);
  const { rows } = await deps.plumbing.observe();
  return { agent, pod, before, deps, records, restore: () => restoreEndpoints(deps, rows) };
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

/** A store of before: pod `old` has the address that web has by now. */
async function startRestored(more: object = {}) {
  const lost = await startLost({ isRecordLost: true });
  const { agent, records: [endpoint, attachment] } = lost;
  const { sandbox } = startPod(agent.host, "old");
  const { netns, netnsInode } = (await agent.host.runtimes.findSandbox(sandbox))!;
  const old = {
    endpoint: "endpoints/t/n/default~old",
    attachment: `attachments/host1/${sandbox}/eth0`,
  };
  agent.store.database.put({
    [old.endpoint]: {
      ...endpoint,
      ...{ container: "default~old", dynamic: { pod: "old", rule: "x" }, ...more },
    },
    [old.attachment]: {
      ...attachment,
      ...{ id: "00000000000", sandbox, netns, netnsInode, endpoint: "default~old" },
      pod: { namespace: "default", name: "old" },
    },
    [CLAIM]: { schema: 1, owner: old.endpoint },
  });
  await agent.cache.catchUp();
  const kill = () => agent.host.runtimes.kill(sandbox);
  return { ...lost, old, kill };
}

Deno.test("a pod that is gone makes way where the records of before say that it has a running pod's address", async () => {
  const { agent, old, kill, restore } = await startRestored();
  using _ = agent;
  kill();
  await restore();
  assertEquals(hasEndpoint(agent), [true, true]);
  const { documents } = agent.store.database;
  assertEquals([documents.has(old.endpoint), documents.has(old.attachment)], [false, false]);
  assertEquals((documents.get(CLAIM)?.value as { owner: string }).owner, ENDPOINT);
});

for (
  const [what, more] of Object.entries({
    "is alive": {},
    "was on another host": { bound: { host: "host2", generation: 1 } },
    "has an endpoint of its own": { dynamic: undefined },
  })
) {
  Deno.test(`a pod that ${what} keeps its address by the records of before`, async () => {
    const { agent, old, kill, restore } = await startRestored(more);
    using _ = agent;
    if (what !== "is alive") kill();
    await restore();
    assertEquals(hasEndpoint(agent), [false, true]);
    assert(agent.store.database.documents.has(old.endpoint));
  });
}
