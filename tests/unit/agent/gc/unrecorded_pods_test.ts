// Running pods that a store does not know: it was lost, and is filled again object by object.

import { assertEquals } from "@std/assert";
import { UnrecordedPods } from "../../../../lib/agent/gc/unrecorded_pods.ts";
import { indexKeys } from "../../../../lib/intent/store_index.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { partsOf } from "../agent_parts.ts";

const INTENT = [{ Name: "n", Endpoints: [{ Container: "web" }] }];
const ENDPOINT = "endpoints/t/n/web";
const UNFINISHED = new Map([[`${indexKeys.unfinished}1`, { value: { schema: 1 }, revision: 1 }]]);
const CLAIM = "claims/ip/t/n/10.9.0.1";

const reconcileOnce = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();

/** Writes documents as another client does. */
async function put(agent: MemoryAgent, documents: Readonly<Record<string, unknown>>) {
  agent.store.database.put(documents);
  await agent.cache.catchUp();
}

/** An agent with a pod attached, and what its store has. */
async function startKnown() {
  const agent = await startMemoryAgent();
  await agent.apply(INTENT);
  await agent.setUp(startPod(agent.host, "web"));
  await reconcileOnce(agent);
  const { rows } = agent.state();
  const documents = Object.fromEntries(
    [...agent.store.database.documents].map(([key, { value }]) => [key, value]),
  );
  return { agent, rows, documents };
}

/** What the store has of `documents` after a loss: what an intent's file brings back, up to its endpoints. */
function withoutEndpoints(documents: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(documents).filter(([key]) =>
      !/^(attachments|endpoints|claims.ip|members)/.test(key)
    ),
  );
}

async function lose(agent: MemoryAgent, left: Readonly<Record<string, unknown>>) {
  agent.store.database.restore(left, 100);
  await agent.cache.reload();
}

const waitWarnings = ({ logged }: MemoryAgent) =>
  logged.filter((line) => /^warn +running pods are not in the store/.test(line)).length;

Deno.test("a pod whose endpoint comes after its network keeps its port, and is recorded again", async () => {
  const { agent, rows, documents } = await startKnown();
  using _ = agent;
  await lose(agent, withoutEndpoints(documents));
  assertEquals([await reconcileOnce(agent), agent.state().rows], [1, rows]);
  await put(agent, {
    [ENDPOINT]: { ...documents[ENDPOINT] as object, bound: undefined },
    [CLAIM]: documents[CLAIM],
  });
  assertEquals([await reconcileOnce(agent), agent.state().rows], [0, rows]);
  const known = agent.attachments().map(({ pod, state }) => [pod.name, state]);
  assertEquals(known, [["web", "ready"]]);
  assertEquals(waitWarnings(agent), 1);
});

Deno.test("an endpoint that does not come within 30 s is given up, and its pod detached", async () => {
  const { agent, rows, documents } = await startKnown();
  using _ = agent;
  await lose(agent, withoutEndpoints(documents));
  for (const seconds of [0, 15, 29]) {
    agent.time.now = seconds * 1_000;
    assertEquals([await reconcileOnce(agent), agent.state().rows], [1, rows], `${seconds} s`);
  }
  agent.time.now = 30_000;
  assertEquals([await reconcileOnce(agent), agent.host.switch.rows.size], [0, 0]);
  assertEquals([agent.attachments(), waitWarnings(agent)], [[], 1]);
});

Deno.test("while an intent is being applied and writes, its endpoints may take longer, but not for ever", async () => {
  const { agent, rows, documents } = await startKnown();
  using _ = agent;
  const revision = { ...documents["revisions/000000001"] as object, state: "applying" };
  await lose(agent, { ...withoutEndpoints(documents), "revisions/000000001": revision });
  const at = async (seconds: number) => {
    agent.time.now = seconds * 1_000;
    await put(agent, { [`claims/vni/${seconds + 1}`]: { schema: 1, owner: "networks/t/other" } });
    return [await reconcileOnce(agent), agent.state().rows];
  };
  for (let seconds = 0; seconds < 600; seconds += 25) {
    assertEquals(await at(seconds), [1, rows], `${seconds} s`);
  }
  assertEquals(await at(600), [0, []]);
});

Deno.test("an apply whose client has ended writes nothing, and nobody waits for it", async () => {
  const { agent, rows, documents } = await startKnown();
  using _ = agent;
  const revision = { ...documents["revisions/000000001"] as object, state: "applying" };
  await lose(agent, { ...withoutEndpoints(documents), "revisions/000000001": revision });
  assertEquals([await reconcileOnce(agent), agent.state().rows], [1, rows]);
  agent.time.now = 30_000;
  assertEquals([await reconcileOnce(agent), agent.state().rows], [0, []]);
});

Deno.test("a pod that is being torn down waits for no endpoint", async () => {
  const { agent, documents } = await startKnown();
  using _ = agent;
  agent.agent.sandboxes.tornDown.add(agent.attachments()[0]!.sandbox);
  await lose(agent, withoutEndpoints(documents));
  assertEquals([await reconcileOnce(agent), agent.host.switch.rows.size], [0, 0]);
});

Deno.test("a pod whose address another one has by now is detached at once", async () => {
  const { agent, documents } = await startKnown();
  using _ = agent;
  const other = { ...documents[CLAIM] as object, owner: "endpoints/t/n/new" };
  await lose(agent, { ...withoutEndpoints(documents), [CLAIM]: other });
  assertEquals([await reconcileOnce(agent), agent.host.switch.rows.size], [0, 0]);
});

Deno.test("a pod that has ended waits for no endpoint", async () => {
  const { agent, documents } = await startKnown();
  using _ = agent;
  const web = agent.attachments().find(({ pod }) => pod.name === "web")!;
  agent.host.runtimes.kill(web.sandbox);
  await lose(agent, withoutEndpoints(documents));
  assertEquals([await reconcileOnce(agent), agent.host.switch.rows.size], [0, 0]);
});

for (
  const [what, read, isWaiting] of [
    ["says that an apply is in progress", () => UNFINISHED, true],
    ["has no apply in progress", () => new Map(), false],
    ["does not answer", () => {
      throw new Fault("unavailable", "no etcd");
    }, true],
  ] as const
) {
  Deno.test(`an agent that follows a part of the store asks for applies: a store that ${what}`, async () => {
    const { agent, documents } = await startKnown();
    using _ = agent;
    const now = { ms: 0 };
    const parts = partsOf(agent);
    const known = new Map(
      Object.entries(withoutEndpoints(documents)).map(([key, value]) =>
        [key, { value: value as Json, revision: 1 }] as const
      ),
    );
    const pods = new UnrecordedPods({
      ...parts,
      store: {
        ...{ documents: known, isWhole: false },
        read: (prefix) => Promise.resolve(prefix === indexKeys.unfinished ? read() : new Map()),
      },
      clock: { now: () => now.ms },
    });
    const { rows } = await parts.plumbing.observe();
    assertEquals(await pods.areWaiting({ rows }), true);
    now.ms = 30_000;
    known.set("claims/vni/1", { value: {}, revision: 1 });
    assertEquals(await pods.areWaiting({ rows }), isWaiting);
  });
}
