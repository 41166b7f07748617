// Which attachments are released: those whose endpoint is theirs no more, and those whose sandbox is gone.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { releaseUnwanted } from "../../../../lib/agent/gc/release_unwanted.ts";
import type { SandboxState } from "../../../../lib/agent/gc/sandbox_liveness.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { partsOf } from "../agent_parts.ts";

const NETWORK = {
  ...{ Name: "n", Default: true },
  Endpoints: [{ Container: "web" }, { Container: "db" }],
};

/** Starts an agent with pods web and db, whose endpoints the intent names, and dynamic pod tmp. */
async function startAttached() {
  const agent = await startMemoryAgent();
  await agent.apply([NETWORK]);
  await agent.agent.loops.reconcile.reconcileOnce();
  for (const name of ["web", "db", "tmp"]) await agent.setUp(startPod(agent.host, name));
  const deps = partsOf(agent);
  const of = (name: string) => agent.attachments().find((one) => one.pod.name === name)!;
  /** Releases what is unwanted where these pods' sandboxes are in these states; returns their names. */
  const release = async (states: Readonly<Record<string, SandboxState>> = {}) => {
    const mine = agent.attachments();
    const nameById = new Map(mine.map((one) => [one.id, one.pod.name]));
    const stateById = new Map(
      mine.flatMap((one) => {
        const state = states[one.pod.name];
        return state ? [[one.id, state] as const] : [];
      }),
    );
    const released = await releaseUnwanted(deps, mine, { stateById, hasMoved: false, failed: 0 });
    return [...released].map((id) => nameById.get(id));
  };
  return { agent, deps, of, release };
}

/** Changes the endpoint's record behind an attachment; undefined deletes it. */
async function changeEndpoint(agent: MemoryAgent, one: AttachmentRecord, change?: object) {
  const key = `endpoints/t/n/${one.endpoint}`;
  const value = change && { ...agent.store.database.get(key), ...change };
  agent.store.database.put({ [key]: value });
  await agent.cache.catchUp();
}

Deno.test("where all is wanted nothing is released, and neither switch nor store is asked", async () => {
  const { agent, release } = await startAttached();
  using _ = agent;
  const [before, revision] = [agent.state(), agent.store.database.revision];
  agent.host.switch.calls.length = 0;
  assertEquals(await release({ web: "alive", db: "moved" }), []);
  assertEquals([agent.state(), agent.store.database.revision], [before, revision]);
  assertEquals(agent.host.switch.calls, []);
});

Deno.test("what was attached since the check, and has no state, is kept", async () => {
  const { agent, release } = await startAttached();
  using _ = agent;
  assertEquals(await release({}), []);
  assertEquals(agent.attachments().length, 3);
});

Deno.test("a sandbox that is dead is released with its port at once, and no other", async () => {
  const { agent, of, deps, release } = await startAttached();
  using _ = agent;
  const port = `cv${of("web").id}`;
  assertEquals(await release({ web: "dead" }), ["web"]);
  assertEquals(agent.attachments().map(({ pod }) => pod.name).sort(), ["db", "tmp"]);
  assertEquals([agent.host.switch.rows.size, agent.host.switch.rows.has(port)], [2, false]);
  // The intent's endpoint keeps its address, and the pod is not taken for one that still runs.
  assert(agent.store.database.documents.has("endpoints/t/n/web"));
  assertEquals(agent.agent.sandboxes.unmatched.list(), []);
  assert(deps.log.lines.some((line) => line.includes("why=its sandbox is gone")));
});

Deno.test("the endpoint that was made for a pod goes with its dead sandbox, and its address is free", async () => {
  const { agent, of, release } = await startAttached();
  using _ = agent;
  const { addresses } = of("tmp");
  assertEquals(await release({ tmp: "dead" }), ["tmp"]);
  assertEquals(agent.state().documents.filter((key) => key.includes("tmp")), []);
  const { attachments } = await agent.setUp(startPod(agent.host, "next"));
  assertEquals(attachments[0]?.addresses, addresses);
});

Deno.test("a sandbox that is missing is released when it was missing for the grace period", async () => {
  const { agent, release } = await startAttached();
  using _ = agent;
  for (let passed = 0; passed < 60; passed += 10) {
    assertEquals(await release({ web: "missing", db: "alive" }), [], `after ${passed} s`);
    agent.time.now += 10_000;
  }
  assertEquals(await release({ web: "missing", db: "alive" }), ["web"]);
});

Deno.test("an endpoint that is not known, as its network has not been read, is not taken for one that is gone", async () => {
  const { agent, deps } = await startAttached();
  using _ = agent;
  agent.store.database.put({ "endpoints/t/n/web": undefined });
  await agent.cache.catchUp();
  const store = new Proxy(agent.cache, {
    get: (cache, name) => {
      if (name === "knows") return () => false;
      const member: unknown = Reflect.get(cache, name, cache);
      return typeof member === "function" ? member.bind(cache) : member;
    },
  });
  const states = { stateById: new Map(), hasMoved: false, failed: 0 };
  const released = await releaseUnwanted({ ...deps, store }, agent.attachments(), states);
  assertEquals([released.size, agent.attachments().length], [0, 3]);
});

/** How an endpoint is no longer an attachment's. */
const LOST: readonly (readonly [string, object | undefined, isUnnamed: boolean])[] = [
  ["is deleted", undefined, true],
  ["is bound to another host", { bound: { host: "host2", generation: 2 } }, false],
  ["has a newer generation here", { bound: { host: "host1", generation: 2 } }, false],
  ["is bound to none", { bound: undefined }, false],
];

for (const [what, change, isUnnamed] of LOST) {
  Deno.test(`an attachment whose endpoint ${what} is released while its pod runs`, async () => {
    const { agent, of, deps, release } = await startAttached();
    using _ = agent;
    const { sandbox } = of("web");
    await changeEndpoint(agent, of("web"), change);
    assertEquals(await release({ web: "alive", db: "alive" }), ["web"]);
    assertEquals(agent.host.switch.rows.size, 2);
    assert(deps.log.lines.some((line) => line.includes("why=its endpoint is gone")));
    // A pod whose endpoint is deleted may be named again; one whose endpoint moved runs elsewhere.
    const left = agent.agent.sandboxes.unmatched.list().map((one) => one.pod.sandbox);
    assertEquals(left, isUnnamed ? [sandbox] : []);
  });
}

Deno.test("a running pod whose endpoint has another address keeps what it has; a dead one is released", async () => {
  const { agent, of, release } = await startAttached();
  using _ = agent;
  await changeEndpoint(agent, of("web"), { address: "10.9.0.77" });
  assertEquals(await release({ web: "alive", db: "alive" }), []);
  assertEquals(await release({ web: "missing", db: "alive" }), ["web"]);
});

Deno.test("a pod that is dead is not remembered, even if its endpoint is deleted", async () => {
  const { agent, of, release } = await startAttached();
  using _ = agent;
  await changeEndpoint(agent, of("web"), undefined);
  assertEquals(await release({ web: "dead" }), ["web"]);
  assertEquals(agent.agent.sandboxes.unmatched.list(), []);
});

Deno.test("an attachment whose network is gone is released", async () => {
  const { agent, release } = await startAttached();
  using _ = agent;
  agent.store.database.put({ "networks/t/n": undefined });
  await agent.cache.catchUp();
  assertEquals((await release({})).sort(), ["db", "tmp", "web"]);
  assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
});

Deno.test("where ports cannot be removed, the records stay for the next try", async () => {
  const { agent, release } = await startAttached();
  using _ = agent;
  const before = agent.state();
  agent.host.switch.failNext("removePorts", new Fault("timeout", "no answer"));
  await assertRejects(() => release({ web: "dead", db: "dead" }), Fault, "no answer");
  assertEquals(agent.state(), before);
  assertEquals((await release({ web: "dead", db: "dead" })).sort(), ["db", "web"]);
});
