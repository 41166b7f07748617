// Records of attachments that were lost while their ports are on the bridge.

import { assert, assertEquals } from "@std/assert";
import { restoreAttachments } from "../../../../lib/agent/gc/restore_attachments.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { partsOf } from "../agent_parts.ts";

/** Starts an agent with pod web attached, whose record is then lost. */
async function startLost() {
  const agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }, { Container: "db" }] }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const pod = startPod(agent.host, "web");
  await agent.setUp(pod);
  const [lost] = agent.attachments();
  const deps = partsOf(agent);
  const actual = await deps.plumbing.observe();
  const key = `attachments/host1/${pod.sandbox}/eth0`;
  await put(agent, { [key]: undefined });
  return { agent, pod, lost: lost!, key, deps, actual };
}

async function put(agent: MemoryAgent, documents: Readonly<Record<string, unknown>>) {
  agent.store.database.put(documents);
  await agent.cache.catchUp();
}

type Lost = Awaited<ReturnType<typeof startLost>>;

Deno.test("a lost record is restored from its port, to be checked by the reconciliation, and logged", async () => {
  const { agent, lost, deps, actual } = await startLost();
  using _ = agent;
  await restoreAttachments(deps, actual);
  const { reason: __, ...known } = lost;
  assertEquals<unknown>(agent.attachments(), [{ ...known, state: "planned" }]);
  assert(deps.log.lines[0]?.startsWith("info attachment restored"), deps.log.lines[0]);
});

Deno.test("records that exist are not written again, and their sandboxes are not checked", async () => {
  const { agent, deps, actual } = await startLost();
  using _ = agent;
  await restoreAttachments(deps, actual);
  const revision = agent.store.database.revision;
  agent.host.runtimes.recorder.calls.length = 0;
  await restoreAttachments(deps, actual);
  assertEquals(agent.store.database.revision, revision);
  assertEquals(agent.host.runtimes.recorder.calls, []);
});

/** Why a record is not restored from a port that was seen. */
const REFUSED: readonly (readonly [string, (lost: Lost) => Promise<unknown> | unknown])[] = [
  ["its port has gone meanwhile", ({ agent }) => agent.host.switch.rows.clear()],
  ["its port was parked meanwhile", ({ agent }) => {
    const { rows } = agent.host.switch;
    for (const [name, row] of rows) {
      rows.set(name, { ...row, externalIds: { tenant: "t", network: "n" } });
    }
  }],
  ["its sandbox is dead", ({ agent, pod }) => agent.host.runtimes.kill(pod.sandbox)],
  ["its endpoint was deleted", ({ agent }) => put(agent, { "endpoints/t/n/web": undefined })],
  ["its endpoint is bound elsewhere", ({ agent }) =>
    put(agent, {
      "endpoints/t/n/web": {
        ...agent.store.database.get("endpoints/t/n/web"),
        bound: { host: "host2", generation: 2 },
      },
    })],
  ["its network was deleted", ({ agent }) => put(agent, { "networks/t/n": undefined })],
  ["another sandbox has its endpoint", ({ agent, lost }) =>
    put(agent, {
      [`attachments/host1/${"a".repeat(64)}/eth0`]: {
        ...lost,
        ...{ id: "00000000000", sandbox: "a".repeat(64) },
      },
    })],
];

for (const [what, change] of REFUSED) {
  Deno.test(`a lost record is not restored where ${what}`, async () => {
    const lost = await startLost();
    using agent = lost.agent;
    await change(lost);
    await restoreAttachments(lost.deps, lost.actual);
    assertEquals(agent.attachments().filter(({ id }) => id === lost.lost.id), []);
    assertEquals(lost.deps.log.lines.filter((line) => line.startsWith("info")), []);
  });
}

Deno.test("a lost record is restored while the runtime cannot say whether its sandbox is alive", async () => {
  const { agent, deps, actual, lost } = await startLost();
  using _ = agent;
  agent.host.runtimes.recorder.fail("isAlive", new Fault("unavailable", "no Docker"));
  await restoreAttachments(deps, actual);
  assertEquals(agent.attachments().map(({ id }) => id), [lost.id]);
});

Deno.test("a record is restored only after earlier work for its sandbox, such as a teardown", async () => {
  const { agent, deps, actual, lost } = await startLost();
  using _ = agent;
  const teardown = agent.agent.sandboxes.queue.run(lost.sandbox, async () => {
    await new Promise((done) => setTimeout(done, 5));
    await (await deps.plumbing.detach([`cv${lost.id}`])).linksGone;
  });
  await restoreAttachments(deps, actual);
  await teardown;
  assertEquals(agent.attachments(), []);
});

for (
  const [what, externalIds] of [
    ["another host's", { host: "host2" }],
    ["one that lacks its sandbox", { sandbox: "" }],
  ] as const
) {
  Deno.test(`a port that is ${what} restores nothing`, async () => {
    const { agent, deps, actual } = await startLost();
    using _ = agent;
    const rows = actual.rows.map((row) => ({
      ...row,
      externalIds: { ...row.externalIds, ...externalIds },
    }));
    await restoreAttachments(deps, { ...actual, rows });
    const all = [...agent.store.database.documents].filter(([key]) => key.startsWith("attach"));
    assertEquals(all as unknown as AttachmentRecord[], []);
  });
}

/** Writes the endpoint anew, bound to nobody, with these fields. */
const rewritten = ({ agent }: Lost, more: Readonly<Record<string, unknown>> = {}) => {
  const { bound: _, ...endpoint } = agent.store.database.get("endpoints/t/n/web") as Record<
    string,
    unknown
  >;
  return put(agent, { "endpoints/t/n/web": { ...endpoint, ...more } });
};

Deno.test("an endpoint that was written anew with the same address is bound to its pod again", async () => {
  const lost = await startLost();
  using agent = lost.agent;
  await rewritten(lost);
  await restoreAttachments(lost.deps, lost.actual);
  assertEquals(agent.attachments().map(({ id }) => id), [lost.lost.id]);
  const { bound } = agent.store.database.get("endpoints/t/n/web") as Record<string, unknown>;
  assertEquals(bound, { host: "host1", generation: lost.lost.generation });
});

for (
  const [what, more] of Object.entries({
    "another address": { address: "10.9.0.77" },
    "a pin to another host": { pin: { host: "host2" } },
    "another host": { host: "host2" },
    "another namespace": { namespace: "shop" },
    "another MAC address": { mac: "02:00:00:00:00:77" },
    "a pod without an endpoint of its own": { dynamic: { pod: "web", rule: "x" } },
  })
) {
  Deno.test(`an endpoint that was written anew for ${what} is left to a set-up`, async () => {
    const lost = await startLost();
    using agent = lost.agent;
    await rewritten(lost, more);
    await restoreAttachments(lost.deps, lost.actual);
    assertEquals(agent.attachments(), []);
    const after = agent.store.database.get("endpoints/t/n/web") as Record<string, unknown>;
    assertEquals(after.bound, undefined);
  });
}
