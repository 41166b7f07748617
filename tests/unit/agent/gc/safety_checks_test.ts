// When an observation is not trusted: an empty store, a sandbox that is missing for the first time.

import { assert, assertEquals } from "@std/assert";
import { GracePeriod } from "../../../../lib/agent/gc/grace_period.ts";
import { isGarbage, isStoreLost } from "../../../../lib/agent/gc/safety_checks.ts";
import type { SandboxState } from "../../../../lib/agent/gc/sandbox_liveness.ts";
import { attachmentToPort } from "../../../../lib/agent/pods/port_external_ids.ts";
import type { Documents } from "../../../../lib/intent/records.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";
import type { SandboxPlace } from "../../../../lib/runtimes/runtime.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf } from "../pods/dynamic_records.ts";

const rowOf = (name: string): PortRow => ({
  ...attachmentToPort(attachmentOf(name, "10.9.0.1", { netns: `/run/netns/${name}` }), 100),
  ofport: 1,
});
const presence = new Map([["agents/host1", { value: { schema: 1 }, revision: 1 }]]);

/** What isStoreLost() answers with pods of these names on the bridge, of which `alive` live. */
async function ask(
  documents: Documents,
  rows: readonly PortRow[],
  isAlive: (netns: string) => boolean | Fault,
) {
  const log = new MemoryLog();
  const runtimes = {
    isAlive: ({ netns }: SandboxPlace) => {
      const answer = isAlive(netns);
      return answer instanceof Fault ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const isLost = await isStoreLost({ store: { documents }, runtimes, log }, {
    ...{ rows, hostEnds: rows.map(({ name }) => name) },
  });
  return [isLost, log.lines.filter((line) => line.startsWith("error")).length];
}

for (
  const [what, documents, rows, alive, isLost] of [
    ["a store with documents", documentsOf(), [rowOf("a")], true, false],
    ["an empty store and no port", new Map(), [], true, false],
    ["an empty store and a pod that lives", new Map(), [rowOf("a")], true, true],
    ["an empty store and a pod that has ended", new Map(), [rowOf("a")], false, false],
    [
      "an empty store while the runtime does not answer",
      new Map(),
      [rowOf("a")],
      new Fault("unavailable", "no Docker"),
      true,
    ],
    ["a store with nothing but heartbeats, and a pod", presence, [rowOf("a")], true, true],
    [
      "an empty store and a port that belongs to no pod",
      new Map(),
      [{ ...rowOf("a"), externalIds: {} }],
      true,
      false,
    ],
  ] as const
) {
  Deno.test(`${what}: the store is ${isLost ? "taken for lost, which is logged" : "trusted"}`, async () => {
    assertEquals(await ask(documents, rows, () => alive), [isLost, isLost ? 1 : 0]);
  });
}

Deno.test("one living pod among many is enough not to trust an empty store", async () => {
  const rows = ["a", "b", "c"].map(rowOf);
  const [isLost] = await ask(new Map(), rows, (netns) => netns === "/run/netns/c");
  assertEquals(isLost, true);
});

Deno.test("an agent whose store is empty leaves its pods as they are until the store is restored", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Endpoints: [{ Container: "web" }] }]);
  await agent.setUp(startPod(agent.host, "web"));
  const { reconcileOnce } = agent.agent.loops.reconcile;
  await reconcileOnce();
  const { rows, flows, links } = agent.state();
  const documents = Object.fromEntries(
    [...agent.store.database.documents].map(([key, { value }]) => [key, value]),
  );
  agent.store.database.restore({}, 100);
  await agent.cache.reload();
  assertEquals(await reconcileOnce(), 0);
  assertEquals(agent.state(), { documents: [], rows, flows, links });
  assert(agent.logged.some((line) => line.startsWith("error store is empty")));
  agent.store.database.restore(documents, 200);
  await agent.cache.reload();
  assertEquals(await reconcileOnce(), 0);
  assertEquals([agent.state().rows, agent.attachments().length], [rows, 1]);
});

// ---- isGarbage()

/** Each check of one sandbox: seconds since the start, what became of it, whether it is due; lines so far. */
type Check = readonly [seconds: number, state: SandboxState, isDue: boolean, lines: number];

const LIVES: readonly (readonly [string, readonly Check[]])[] = [
  ["a sandbox that is alive is never due, and nothing is logged", [
    [0, "alive", false, 0],
    [100, "alive", false, 0],
  ]],
  ["a sandbox that is dead is due at once, without a grace period", [[0, "dead", true, 0]]],
  ["one that is missing is due after the grace period, logged once", [
    [0, "missing", false, 1],
    [10, "missing", false, 1],
    [19, "missing", false, 1],
    [29, "missing", true, 1],
  ]],
  ["one that moved has the same grace period", [
    [0, "moved", false, 1],
    [10, "moved", false, 1],
    [20, "moved", true, 1],
  ]],
  ["one that comes back starts anew, and both are logged", [
    [0, "missing", false, 1],
    [10, "missing", false, 1],
    [15, "alive", false, 2],
    [20, "missing", false, 3],
    [30, "missing", false, 3],
    [40, "missing", true, 3],
  ]],
];

for (const [what, checks] of LIVES) {
  Deno.test(what, () => {
    let now = 0;
    const gracePeriod = new GracePeriod(20_000, () => now);
    const log = new MemoryLog();
    for (const [seconds, state, isDue, lines] of checks) {
      now = seconds * 1_000;
      const one = attachmentOf("web", "10.9.0.1");
      assertEquals(isGarbage({ gracePeriod, log }, one, state), isDue, `after ${seconds} s`);
      assertEquals(log.lines.length, lines, `after ${seconds} s`);
    }
    for (const line of log.lines) assert(line.includes("pod=default/web"), line);
  });
}
