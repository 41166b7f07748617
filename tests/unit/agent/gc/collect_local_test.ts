// `gc` of this host: what is marked is released now, by the reconcile loop, and named.

import { assertEquals } from "@std/assert";
import { collectLocal } from "../../../../lib/agent/gc/collect_local.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

/** Starts an agent with one pod, whose sandbox is then missing and marked. */
async function startMarked(network: object) {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", ...network }]);
  await reconcileOnce(agent);
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  agent.host.runtimes.kill(pod.sandbox);
  await reconcileOnce(agent);
  return { agent, pod };
}

const reconcileOnce = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();

/** Collects; each pause is one reconciliation, as the loop does it when it is notified. */
async function collect(agent: MemoryAgent, { isDry = false, isLoopRunning = true } = {}) {
  let [notified, pauses, pausedMs] = [0, 0, 0];
  const answer = await collectLocal({
    ...agent.agent.server.gc,
    reconcileSignal: { notify: () => notified++ },
  }, {
    isDry,
    pause: async (ms) => {
      pauses++;
      pausedMs += ms;
      if (isLoopRunning) await reconcileOnce(agent);
    },
  });
  return { answer, notified, pauses, pausedMs };
}

const STATIC = { Endpoints: [{ Container: "web" }] };

const ACTS: readonly (readonly [string, object, string, string])[] = [
  ["an endpoint that the intent names is kept", STATIC, "forget", "t/n/web"],
  ["an endpoint made for the pod is released", { Default: true }, "release", "t/n/default~web"],
  [
    "an address is held where the network says so",
    { Default: true, HoldAddress: 60 },
    "hold",
    "t/n/default~web",
  ],
];

for (const [what, network, act, endpoint] of ACTS) {
  Deno.test(`gc releases a missing pod without its grace period: ${what}`, async () => {
    const { agent } = await startMarked(network);
    using _ = agent;
    const { answer, notified } = await collect(agent);
    assertEquals(answer, {
      host: "host1",
      acts: [{ act, endpoint, address: "10.9.0.1", pod: "default/web" }] as typeof answer.acts,
      left: [],
    });
    assertEquals(notified, 1);
    assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
    const isKept = agent.store.database.documents.has(`endpoints/${endpoint}`);
    assertEquals(isKept, act !== "release");
  });
}

Deno.test("gc --dry-run says what is marked and when it goes, and changes nothing", async () => {
  const { agent } = await startMarked({ Default: true });
  using _ = agent;
  agent.time.now += 7_000;
  await reconcileOnce(agent);
  const before = agent.state();
  const { answer, notified, pauses } = await collect(agent, { isDry: true });
  assertEquals(answer.acts.map(({ act, dueMs }) => [act, dueMs]), [["release", 53_000]]);
  assertEquals([notified, pauses], [0, 0]);
  await reconcileOnce(agent);
  assertEquals(agent.state(), before);
});

Deno.test("gc where nothing is marked notifies and answers at once", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", ...STATIC }]);
  await agent.setUp(startPod(agent.host, "web"));
  const { answer, pauses } = await collect(agent);
  assertEquals([answer.acts, pauses, agent.attachments().length], [[], 0, 1]);
});

Deno.test("gc does not name a sandbox that was restarted meanwhile, and is attached again", async () => {
  const { agent, pod } = await startMarked(STATIC);
  using _ = agent;
  agent.host.runtimes.start({ id: pod.sandbox });
  const { answer, pauses } = await collect(agent);
  assertEquals([answer.acts, pauses], [[], 1]);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready"]);
});

Deno.test("gc releases no sandbox about which the second check gets no answer", async () => {
  const { agent } = await startMarked(STATIC);
  using _ = agent;
  agent.host.runtimes.recorder.fail("isAlive", new Fault("unavailable", "no Docker"), { times: 9 });
  const { answer, pauses } = await collect(agent);
  assertEquals([answer.acts, pauses, agent.attachments().length], [[], 1, 1]);
});

Deno.test("gc ends after 20 s where the reconcile loop does nothing, and says nothing was done", async () => {
  const { agent } = await startMarked(STATIC);
  using _ = agent;
  const { answer, pausedMs } = await collect(agent, { isLoopRunning: false });
  assertEquals([answer.acts, pausedMs], [[], 20_000]);
  assertEquals(agent.attachments().length, 1);
});

Deno.test("gc names this host's records that this version cannot read, and leaves them", async () => {
  const { agent } = await startMarked(STATIC);
  using _ = agent;
  const [mine, other] = ["attachments/host1/x/eth0", "attachments/host2/x/eth0"];
  agent.store.database.put({ [mine]: { schema: 99 }, [other]: { schema: 99 } });
  await agent.cache.catchUp();
  for (const isDry of [true, false]) {
    assertEquals((await collect(agent, { isDry })).answer.left, [mine]);
  }
  assertEquals(agent.store.database.documents.has(mine), true);
});
