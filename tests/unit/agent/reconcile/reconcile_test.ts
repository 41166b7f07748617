// One reconciliation, on drivers in memory: whatever an operator, a crash or an outage has changed is as it
// should be afterwards. And the loop around it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { reconcile } from "../../../../lib/agent/reconcile/reconcile.ts";
import { attachmentKey } from "../../../../lib/agent/store/documents.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { Notifier } from "../../../../lib/util/async/notifier.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { createLog } from "../../../../lib/util/log.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";

const NETWORK = { Name: "n", Endpoints: [{ Container: "web" }, { Container: "db" }] };

/** Starts an agent with pods web and db attached. */
async function startAttached(options: Parameters<typeof startMemoryAgent>[0] = {}) {
  const agent = await startMemoryAgent(options);
  await agent.apply([NETWORK]);
  await reconcileOnce(agent);
  const [web, db] = [startPod(agent.host, "web"), startPod(agent.host, "db")];
  await agent.setUp(web);
  await agent.setUp(db);
  await reconcileOnce(agent);
  return { agent, web, db };
}

const reconcileOnce = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();

/** Reconciles every five seconds for `ms`: only time in which the agent looked counts as missing. */
async function lookFor(agent: MemoryAgent, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await reconcileOnce(agent);
    agent.time.now += 5_000;
  }
  await reconcileOnce(agent);
}

/** Returns the name of the port of pod `name`. */
function portOf({ host }: MemoryAgent, name: string): string {
  return [...host.switch.rows.values()].find((row) => row.externalIds.pod === name)!.name;
}

Deno.test("where all is as desired, a reconciliation changes nothing, however often it runs", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const before = agent.state();
  const documents = JSON.stringify([...agent.store.database.documents]);
  agent.host.switch.calls.length = 0;
  for (let times = 0; times < 3; times++) assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.state(), before);
  assertEquals(JSON.stringify([...agent.store.database.documents]), documents);
  const writes = agent.host.switch.calls.filter((call) =>
    /^(addPort|removePorts|setTag)/.test(call)
  );
  assertEquals(writes, []);
});

Deno.test("an interface error that Open vSwitch reports is logged once, and when it is over", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const logged = () => agent.logged.filter((line) => line.includes("interface error"));
  const state = { ovsdb: "up", openflow: "up" } as const;
  const report = async (error: string) => {
    const interfaceErrors = [{ name: "contivBridge", error }];
    agent.host.switch.connections = error ? { ...state, interfaceErrors } : state;
    await reconcileOnce(agent);
  };
  for (const error of ["", "File exists", "File exists", "No such device", ""]) await report(error);
  assertEquals(logged().length, 3, logged().join("\n"));
  const [first = "", second = "", third = ""] = logged();
  assertStringIncludes(first, "warn  Open vSwitch reports an interface error");
  assertStringIncludes(first, "contivBridge");
  assertStringIncludes(first, "File exists");
  assertStringIncludes(second, "No such device");
  assertStringIncludes(third, "is over");
  // While the database is unreachable, nothing is known of it.
  await report("File exists");
  agent.host.switch.connections = { ...state, ovsdb: "down" };
  await reconcileOnce(agent);
  assertEquals(logged().length, 4);
});

/** What is damaged on the host, which the next reconciliation repairs. */
const DAMAGE: readonly [string, (agent: MemoryAgent, port: string) => void][] = [
  ["a port was deleted", ({ host }, port) => void host.switch.rows.delete(port)],
  [
    "a link was deleted",
    ({ host }, port) => host.kernel.deleteLink(host.kernel.host.links.get(port)!),
  ],
  [
    "a port has another tag",
    ({ host }, port) => void host.switch.rows.set(port, { ...host.switch.rows.get(port)!, tag: 7 }),
  ],
  ["a port has lost its external_ids", ({ host }, port) => {
    const row = host.switch.rows.get(port)!;
    const { pod: _, ...externalIds } = row.externalIds;
    host.switch.rows.set(port, { ...row, externalIds });
  }],
  ["all flows were lost", ({ host }) => host.switch.loseFlows()],
  ["all ports were deleted", ({ host }) => host.switch.rows.clear()],
];

for (const [what, damage] of DAMAGE) {
  Deno.test(`a reconciliation repairs the host where ${what}`, async () => {
    const { agent } = await startAttached();
    using _ = agent;
    const [before, tags] = [
      agent.state(),
      () => [...agent.host.switch.rows.values()].map(({ tag }) => tag),
    ];
    damage(agent, portOf(agent, "web"));
    assertEquals(await reconcileOnce(agent), 0);
    const after = agent.state();
    // OpenFlow port numbers, and so the flows' text, differ for ports that were made anew.
    assertEquals({ ...after, flows: after.flows.length }, {
      ...before,
      flows: before.flows.length,
    });
    assertEquals(tags(), [100, 100]);
    assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
  });
}

Deno.test("a stray port of ours is removed with its link; ports of others are not touched", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const before = agent.state();
  const row = agent.host.switch.rows.get(portOf(agent, "web"))!;
  agent.host.switch.rows.set("cvstray", {
    ...{ ...row, name: "cvstray" },
    externalIds: { ...row.externalIds, attachment: "stray", endpoint: "gone" },
  });
  agent.host.switch.foreign.add("eth7");
  await reconcileOnce(agent);
  assertEquals(agent.state().rows, before.rows);
  assert(agent.host.switch.foreign.has("eth7"));
  assert(agent.logged.some((line) => line.includes("stray port removed")));
});

Deno.test("lost records of attachments are restored from their ports", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const before = agent.state();
  const lost = agent.attachments();
  await agent.cache.commit(() => ({
    checks: [],
    writes: lost.map((one) => ({ key: attachmentKey(one), value: undefined })),
  }));
  assertEquals(agent.attachments(), []);
  await reconcileOnce(agent);
  assertEquals(agent.state(), before);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("while the store is empty, attached pods are left as they are", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const { rows, links } = agent.state();
  const empty = await startMemoryAgent({ host: agent.host });
  using __ = empty;
  assertEquals(await reconcileOnce(empty), 0);
  assertEquals([empty.state().rows, empty.state().links], [rows, links]);
  assert(empty.logged.some((line) => line.includes("store is empty: attached pods are left")));
});

Deno.test("an agent that starts again on the same host leaves its pods as they are", async () => {
  const { agent, web } = await startAttached();
  using _ = agent;
  const before = agent.state();
  using next = await startMemoryAgent({ host: agent.host, store: agent.store.another() });
  assertEquals(await reconcileOnce(next), 0);
  assertEquals(next.state(), before);
  assertEquals((await next.setUp(web)).attachments[0]?.addresses, ["10.9.0.1/24"]);
});

Deno.test("a sandbox that is missing is released only after the grace period, and not if it comes back", async () => {
  const { agent, web, db } = await startAttached({ options: { graceMs: 60_000 } });
  using _ = agent;
  const { netns } = (await agent.host.runtimes.findSandbox(web.sandbox))!;
  const namespace = agent.host.kernel.namespaceAt(netns)!;
  const hide = (at: string) => agent.host.kernel.deleteNamespace(at);
  // Its name is gone for a moment, while the namespace lives under another one.
  agent.host.kernel.nameNamespace("/run/netns/other", namespace);
  agent.host.runtimes.breakOff(new Fault("unavailable", "Docker is unreachable"));
  hide(netns);
  await lookFor(agent, 30_000);
  assertEquals(agent.attachments().length, 2);
  agent.host.kernel.nameNamespace(netns, namespace);
  await reconcileOnce(agent);
  hide(netns);
  await lookFor(agent, 55_000);
  assertEquals(agent.attachments().length, 2);
  await lookFor(agent, 10_000);
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox), [db.sandbox]);
});

Deno.test("an endpoint that is deleted takes its pod's port along", async () => {
  const { agent, db } = await startAttached();
  using _ = agent;
  await agent.intents.apply({
    ...{ mode: "delete", force: true },
    text: JSON.stringify({
      Tenants: [{ Name: "t", Networks: [{ Name: "n", Endpoints: [{ Container: "web" }] }] }],
    }),
  });
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox), [db.sandbox]);
  assertEquals(agent.host.switch.rows.size, 1);
});

Deno.test("a pod that cannot be repaired stops no other, is recorded as failed, and is logged once", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  for (const row of [...agent.host.switch.rows.values()]) agent.host.switch.rows.delete(row.name);
  const bad = [...agent.host.kernel.host.links.keys()][0]!;
  agent.host.switch.missingLinks.add(bad);
  assertEquals(await reconcileOnce(agent), 1);
  assertEquals(await reconcileOnce(agent), 1);
  assertEquals(agent.host.switch.rows.size, 1);
  const failed = agent.attachments().filter(({ state }) => state === "failed");
  assertEquals([failed.length, failed[0]?.reason?.includes("could not open it")], [1, true]);
  assertEquals(agent.logged.filter((line) => line.includes("could not open it")).length, 1);
  agent.host.switch.missingLinks.clear();
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("a crash between port and record is repaired: planned becomes ready", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const [one] = agent.attachments();
  const planned = { ...one, state: "planned" } as AttachmentRecord;
  await agent.cache.commit(() => ({
    checks: [],
    writes: [{ key: attachmentKey(planned), value: planned as unknown as Json }],
  }));
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready", "ready"]);
});

Deno.test("a pod whose endpoint is written after it started is attached by a reconciliation", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n" }]);
  const pod = startPod(agent.host, "web");
  assertEquals((await agent.setUp(pod)).outcome, "unmatched");
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox), [pod.sandbox]);
});

Deno.test("a reconciliation fails as a whole where Open vSwitch does not answer, and changes nothing", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const before = agent.state();
  agent.host.switch.failNext(
    "ensureBridge",
    new Fault("unavailable", "ovsdb-server is unreachable"),
  );
  await assertRejects(() => reconcileOnce(agent), Fault, "ovsdb-server is unreachable");
  assertEquals(agent.state(), before);
});

Deno.test("the loop logs a lasting problem once, and that it is over", async () => {
  const logged: string[] = [];
  const stopping = new AbortController();
  const reconcileSignal = new Notifier();
  const results = [
    () => Promise.reject(new Fault("unavailable", "no switch")),
    () => Promise.reject(new Fault("unavailable", "no switch")),
    () => Promise.resolve(0),
    () => Promise.resolve(stopping.abort()).then(() => 0),
  ];
  await reconcile({
    reconcileOnce: () => {
      reconcileSignal.notify();
      return results.shift()!();
    },
    gracePeriod: { nextDueMs: () => undefined },
    reconcileSignal,
    memoryTrim: { note: () => {} },
    progress: { note: () => {} },
    log: createLog({ write: (line) => void logged.push(line.slice(25)) }),
  }, stopping.signal);
  assertEquals(logged, [
    "error reconciliation failed: no switch",
    "info  reconciliation works again",
  ]);
});

Deno.test("one reconciliation checks uplink and tunnels once, also when it hands frames over to policies", async () => {
  const options = { vtepIp: "192.0.2.1" };
  using agent = await startMemoryAgent({ options });
  const { fabric: { recorder } } = agent.host;
  await agent.apply([{
    Name: "blue",
    Encap: "vxlan",
    Endpoints: [{ Container: "web", Group: "g" }],
  }], {
    Groups: [{ Name: "g", Network: "blue", Policies: ["p"] }],
    Policies: [{ Name: "p", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
  });
  await agent.setUp(startPod(agent.host, "web"));
  const store = agent.store.another();
  using again = await startMemoryAgent({ host: agent.host, store, options });
  for (let n = 0; n < 2; n++) {
    recorder.calls.length = 0;
    await again.agent.loops.reconcile.reconcileOnce();
    assertEquals(recorder.calls.filter(({ method }) => method === "setTunnel").length, 1);
  }
});
