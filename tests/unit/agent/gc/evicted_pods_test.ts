// Pods whose endpoint was released while their host was away.

import { assert, assertEquals } from "@std/assert";
import { noteEvicted } from "../../../../lib/agent/gc/evicted_pods.ts";
import { SandboxSet } from "../../../../lib/agent/pods/sandbox_set.ts";
import { UnmatchedPods } from "../../../../lib/agent/pods/unmatched_pods.ts";
import { attachmentToPort } from "../../../../lib/agent/pods/port_external_ids.ts";
import type { Documents } from "../../../../lib/intent/records.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";
import type { Sandbox } from "../../../../lib/runtimes/runtime.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { attachmentOf, documentsOf, endpointOf } from "../pods/dynamic_records.ts";

const web = attachmentOf("web", "10.9.0.1");
const row: PortRow = { ...attachmentToPort(web, 100), ofport: 1 };
const running: Sandbox = {
  ...{ id: web.sandbox, netns: "/run/netns/x", netnsInode: 7, isHostNetwork: false },
  ...{ isRunning: true, labels: { app: "web" } },
};
const { bound: _, ...free } = endpointOf("web", "10.9.0.1");

/** Notes the pods of `rows`; returns those that are remembered and how often it was logged. */
async function note(
  { documents = new Map(), rows = [row], found = running, isTornDown = false }: {
    readonly documents?: Documents;
    readonly rows?: readonly PortRow[];
    readonly found?: Sandbox | Fault | null;
    readonly isTornDown?: boolean;
  },
) {
  const log = new MemoryLog();
  const sandboxes = { unmatched: new UnmatchedPods(), tornDown: new SandboxSet() };
  if (isTornDown) sandboxes.tornDown.add(web.sandbox);
  const findSandbox = () =>
    found instanceof Fault ? Promise.reject(found) : Promise.resolve(found ?? undefined);
  await noteEvicted({
    ...{ host: "host1", store: { documents }, runtimes: { findSandbox }, sandboxes, log },
  }, rows);
  return { left: sandboxes.unmatched.list(), lines: log.lines };
}

Deno.test("a running pod that has lost its endpoint is remembered with its labels, and logged", async () => {
  const { left, lines } = await note({});
  assertEquals(left, [{
    pod: { namespace: "default", name: "web", sandbox: web.sandbox },
    ...{ reason: "its endpoint was released while this host was away", labels: { app: "web" } },
  }]);
  assertEquals(lines.length, 1);
  assert(lines[0]?.includes("pod=default/web") && lines[0].includes("10.9.0.1"), lines[0]);
});

Deno.test("it is also remembered where the runtime does not answer, or where its endpoint is free", async () => {
  const away = new Fault("unavailable", "no Docker");
  assertEquals((await note({ found: away })).left.length, 1);
  const documents = documentsOf({ endpoints: [free] });
  assertEquals((await note({ documents })).left.length, 1);
});

for (
  const [what, change] of [
    ["it was torn down", { isTornDown: true }],
    ["it has ended", { found: { ...running, isRunning: false } }],
    ["the runtime does not know it", { found: null }],
    ["it has another attachment", { documents: documentsOf({ attachments: [web] }) }],
    [
      "its endpoint is bound, so that its pod is elsewhere",
      { documents: documentsOf({ endpoints: [endpointOf("web", "10.9.0.1")] }) },
    ],
    [
      "the port is another host's",
      { rows: [{ ...row, externalIds: { ...row.externalIds, host: "host2" } }] },
    ],
    ["the port does not name it", { rows: [{ ...row, externalIds: {} }] }],
  ] as const
) {
  Deno.test(`a pod is not remembered where ${what}`, async () => {
    assertEquals(await note(change), { left: [], lines: [] });
  });
}

const NETWORKS = [{ Name: "n", Endpoints: [{ Container: "web" }] }];

/** Makes the store as the removal of host1 leaves it; the endpoint may be another host's by now, or deleted. */
async function afterRemoval({ bound, isDeleted = false }: {
  readonly bound?: object;
  readonly isDeleted?: boolean;
} = {}) {
  const agent = await startMemoryAgent();
  await agent.apply(NETWORKS);
  await agent.agent.loops.reconcile.reconcileOnce();
  const { sandbox } = startPod(agent.host, "web");
  await agent.setUp({ namespace: "default", name: "web", sandbox });
  const endpoint = agent.store.database.get("endpoints/t/n/web");
  agent.store.database.put({
    [`attachments/host1/${sandbox}/eth0`]: undefined,
    "endpoints/t/n/web": isDeleted ? undefined : { ...endpoint, bound },
    ...isDeleted && { "claims/ip/t/n/10.9.0.1": undefined },
  });
  agent[Symbol.dispose]();
  const next = await startMemoryAgent({ host: agent.host, store: agent.store.another() });
  // An endpoint that is missing may still come.
  assertEquals(await next.agent.loops.reconcile.reconcileOnce(), isDeleted ? 1 : 0);
  next.time.now += 30_000;
  if (isDeleted) assertEquals(await next.agent.loops.reconcile.reconcileOnce(), 0);
  return next;
}

Deno.test("a host that comes back after its removal attaches its pod again where its endpoint is still free", async () => {
  using agent = await afterRemoval();
  assertEquals(agent.attachments().map(({ state, addresses }) => [state, addresses]), [
    ["ready", ["10.9.0.1/24"]],
  ]);
  assertEquals(agent.host.switch.rows.size, 1);
});

Deno.test("a host that comes back after its removal does not take an endpoint that another host has by now", async () => {
  using agent = await afterRemoval({ bound: { host: "host2", generation: 2 } });
  assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
});

Deno.test("a host that comes back after its endpoint was deleted attaches its pod once that is written again", async () => {
  using agent = await afterRemoval({ isDeleted: true });
  assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
  await agent.apply(NETWORKS);
  assertEquals(await agent.agent.loops.reconcile.reconcileOnce(), 0);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready"]);
});
