// POST /v1/gc: which collection the body requests, and which loops are notified.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { collectGarbage, type GcRequestDeps } from "../../../../lib/agent/server/gc_request.ts";
import type { Body } from "../../../../lib/agent/server/request_bodies.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";

/** Fields of the heartbeat of host2, which are checked for a few milliseconds only. */
const HEARTBEAT = {
  ...{ schema: 1, host: "host2", instance: "a", version: "1", beat: 7, everyMs: 4 },
  at: "2026-01-01T00:00:00.000Z",
};

/** Starts an agent on host1, in whose store host2 has one pod and, if so, a heartbeat. */
async function startBeside({ hasHeartbeat = true } = {}) {
  const agent = await startMemoryAgent({ isShared: true });
  const endpoint = { ...endpointOf("far", "10.9.0.2"), bound: { host: "host2", generation: 1 } };
  const documents = documentsOf({
    endpoints: [endpoint],
    attachments: [attachmentOf("far", "10.9.0.2", { host: "host2" })],
  });
  for (const [key, { value }] of documents) agent.store.database.put({ [key]: value });
  if (hasHeartbeat) agent.store.database.put({ "agents/host2": HEARTBEAT });
  await agent.cache.catchUp();
  return agent;
}

/** Asks, and returns which signals were notified. */
function askOf(agent: MemoryAgent) {
  const notified: string[] = [];
  const signal = (name: string) => ({ notify: () => notified.push(name) });
  const deps: GcRequestDeps = {
    ...agent.agent.server.gc,
    ...{ reconcileSignal: signal("reconcile"), fabricSignal: signal("fabric") },
    policySignal: signal("policy"),
  };
  return { notified, ask: (body: object) => collectGarbage(deps, body as Body) };
}

const ALL = ["reconcile", "fabric", "policy"];
const ofHost2 = (agent: MemoryAgent) =>
  agent.state().documents.filter((key) => key.includes("far"));

Deno.test("the removal of a silent host releases what it had, logs it, and notifies all loops", async () => {
  using agent = await startBeside();
  const { ask, notified } = askOf(agent);
  const { host, acts, lastSeen } = await ask({ host: "host2" });
  assertEquals([host, lastSeen], ["host2", HEARTBEAT.at]);
  assertEquals(acts.map(({ act, address }) => [act, address]), [["release", "10.9.0.2"]]);
  assertEquals([ofHost2(agent), notified], [[], ALL]);
  assertEquals(agent.logged.filter((line) => line.includes("host removed")).length, 1);
});

Deno.test("a dry run of the removal says what it would do, and neither does nor logs it", async () => {
  using agent = await startBeside();
  const before = ofHost2(agent);
  const { ask } = askOf(agent);
  const { acts } = await ask({ host: "host2", dryRun: true });
  assertEquals([acts.length, ofHost2(agent)], [1, before]);
  assertEquals(agent.logged, []);
});

Deno.test("only `dryRun: true` is a dry run, only `force: true` is force", async () => {
  using agent = await startBeside({ hasHeartbeat: false });
  const { ask } = askOf(agent);
  for (const force of [undefined, "true", 1]) {
    const fault = await assertRejects(() => ask({ host: "host2", force }), Fault, "host2");
    assertEquals(fault.code, "conflict");
  }
  await ask({ host: "host2", force: true, dryRun: "true" });
  assertEquals(ofHost2(agent), []);
});

Deno.test("a removal that is refused notifies all the same: a part may have been done", async () => {
  using agent = await startBeside();
  const { ask, notified } = askOf(agent);
  await assertRejects(() => ask({ host: "host1" }), Fault, "host1");
  assertEquals(notified, ALL);
  assertEquals(agent.logged, []);
});

Deno.test("a host label that is not valid is refused as usage before anything is done", async () => {
  using agent = await startBeside();
  const { ask, notified } = askOf(agent);
  for (const host of ["", "a/b", 7, null]) {
    const fault = await assertRejects(() => ask({ host }), Fault);
    assertEquals(fault.code, "usage");
  }
  assertEquals(notified, []);
});

Deno.test("without a host it collects on this one, and asks only for a reconciliation", async () => {
  using agent = await startBeside();
  const { ask, notified } = askOf(agent);
  assertEquals(await ask({}), { host: "host1", acts: [], left: [] });
  assertEquals(notified, ["reconcile"]);
  assertEquals(await ask({ dryRun: true }), { host: "host1", acts: [], left: [] });
  assertEquals(notified, ["reconcile"]);
  assert(ofHost2(agent).length > 0);
});
