// `rollback --force` to a revision in which endpoints had other addresses, under pods that run: each pod gets the
// earlier address in place, whatever fails in between, and no other pod is touched.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  followAddresses,
  type NewAddressesDeps,
} from "../../../../lib/agent/pods/new_addresses.ts";
import { auditClaims } from "../../../../lib/intent/audit.ts";
import { planImpact } from "../../../../lib/intent/plan_impact.ts";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { CniRuntime } from "../cni/cni_runtime.ts";

const networkWith = (addresses: Readonly<Record<string, string>>, more: object = {}) => ({
  ...{ Name: "n", SubnetCIDR: "10.9.0.0/24", DefaultGw: "10.9.0.254", ...more },
  Endpoints: Object.entries(addresses).map(([Container, IpAddress]) => ({ Container, IpAddress })),
});

const THEN = { web: "10.9.0.50", db: "10.9.0.51", other: "10.9.0.52" };

/** Starts an agent whose first revision has THEN, and the second one `now`, in which pods web, db and other run. */
async function startMoved(
  now: Readonly<Record<string, string>>,
  { more = {}, ...options }: Parameters<typeof startMemoryAgent>[0] & { more?: object } = {},
) {
  const agent = await startMemoryAgent(options);
  await agent.apply([networkWith(THEN)]);
  await agent.apply([networkWith({ ...THEN, ...now }, more)]);
  await reconcileOnce(agent);
  for (const name of Object.keys(THEN)) await agent.setUp(startPod(agent.host, name));
  await reconcileOnce(agent);
  return agent;
}

const reconcileOnce = ({ agent }: MemoryAgent) => agent.loops.reconcile.reconcileOnce();

const back = ({ intents }: MemoryAgent, force = true) =>
  intents.apply({ mode: "rollback", text: "", to: 1, force });

const of = (agent: MemoryAgent, name: string) =>
  agent.attachments().find(({ pod }) => pod.name === name)!;

/** Checks that these pods have the addresses of the first revision, on links and ports of their own. */
function checkBack(agent: MemoryAgent): void {
  for (const [name, address] of Object.entries(THEN)) {
    const { addresses, state, mac, gateway, netns, interface: link, id } = of(agent, name);
    assertEquals([addresses, state], [[`${address}/24`], "ready"], name);
    assertEquals([mac, gateway], [
      `02:02:0a:09:00:${Number(address.split(".")[3]).toString(16)}`,
      "10.9.0.254",
    ]);
    const row = agent.host.switch.rows.get(`cv${id}`);
    assertEquals([row?.mac, row?.addresses], [mac, [address]]);
    const pod = agent.host.kernel.namespaceAt(netns)!;
    assertEquals([...pod.links.keys()].filter((one) => one !== "lo"), [link]);
    assertEquals(pod.links.get(link)?.addresses, [`${address}/24`]);
  }
  assertEquals(agent.host.switch.rows.size, 3);
  assertEquals(auditClaims(agent.store.database.documents), []);
}

Deno.test("a running pod gets the earlier address in place, and no other pod is touched", async () => {
  using agent = await startMoved({ web: "10.9.0.60" });
  const [web, db, other] = ["web", "db", "other"].map((name) => of(agent, name));
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  checkBack(agent);
  const now = of(agent, "web");
  assert(now.id !== web!.id);
  assertEquals([now.interface, now.sandbox, now.generation], [
    web!.interface,
    web!.sandbox,
    web!.generation,
  ]);
  assertEquals([of(agent, "db"), of(agent, "other")], [db, other]);
  const detached = agent.logged.filter((line) => line.includes("detached"));
  assertEquals(detached.length, 1, detached.join("\n"));
  assertStringIncludes(
    detached[0]!,
    "its endpoint's address changed to 10.9.0.50: attaching it again",
  );
  assert(!agent.logged.some((line) => line.includes("stray port")));
  const before = agent.state();
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals(agent.state(), before);
});

/** What followAddresses() works with for an agent; `detach` removes ports. */
function depsOf(agent: MemoryAgent, detach: NewAddressesDeps["plumbing"]["detach"]) {
  const queue = new KeyedQueue();
  return {
    ...{ host: "host1", store: agent.cache, plumbing: { detach }, sandboxes: { queue } },
    ...{ newId: () => "0123456789a", clock: { now: () => 0 }, log: new MemoryLog() },
  };
}

const gone = { linksGone: Promise.resolve() };

Deno.test("a pod that is torn down before its turn is not attached anew", async () => {
  using agent = await startMoved({ web: "10.9.0.60" });
  const mine = agent.attachments();
  const { sandbox, pod } = of(agent, "web");
  await back(agent);
  const deps = depsOf(agent, () => Promise.resolve(gone));
  const release = await deps.sandboxes.queue.acquire([sandbox]);
  const following = followAddresses(deps, mine, () => true);
  await agent.agent.answerVerb("teardown", { ...startPod(agent.host, pod.name), sandbox });
  release();
  assertEquals((await following).map((one) => one.pod.name).sort(), ["db", "other"]);
  assertEquals(agent.attachments().length, 2);
});

Deno.test("if a port cannot be removed, that is said once the other pods are done", async () => {
  using agent = await startMoved({ web: THEN.db, db: THEN.web });
  await back(agent);
  const slow = Promise.withResolvers<typeof gone>();
  let calls = 0;
  const deps = depsOf(
    agent,
    () => calls++ === 0 ? Promise.reject(new Fault("timeout", "no answer")) : slow.promise,
  );
  let isOver = false;
  const following = assertRejects(
    () => followAddresses(deps, agent.attachments(), () => true).finally(() => isOver = true),
    Fault,
    "no answer",
  );
  await new Promise((done) => setTimeout(done, 20));
  assertEquals([calls, isOver], [2, false]);
  slow.resolve(gone);
  await following;
});

Deno.test("pods that have changed places change them back", async () => {
  using agent = await startMoved({ web: THEN.db, db: THEN.web });
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  checkBack(agent);
});

Deno.test("a pod of a CNI runtime keeps the names by which the runtime deletes it", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([networkWith({ web: "10.9.0.50" })]);
  await agent.apply([networkWith({ web: "10.9.0.60" })]);
  await reconcileOnce(agent);
  const runtime = new CniRuntime(agent);
  await runtime.call("ADD", { container: "web" });
  const { cni } = of(agent, "web");
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals([of(agent, "web").cni, of(agent, "web").addresses], [cni, ["10.9.0.50/24"]]);
  assert(
    agent.logged.some((line) =>
      line.includes("its runtime reports the earlier one until it is torn down and set up again")
    ),
  );
  assertEquals((await runtime.call("DEL", { container: "web" })).exit, 0);
  assertEquals(agent.attachments(), []);
  assertEquals(agent.host.switch.rows.size, 0);
});

Deno.test("a smaller subnet reaches the pods whose addresses stay, too", async () => {
  using agent = await startMoved({}, {
    more: { SubnetCIDR: "10.9.0.0/25", DefaultGw: "10.9.0.1" },
  });
  assertEquals(of(agent, "db").addresses, ["10.9.0.51/25"]);
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  checkBack(agent);
});

Deno.test("a pod on a warm port leaves it parked, and gets a port of its own", async () => {
  using agent = await startMoved({ web: "10.9.0.60" }, { hasWarmPorts: true });
  await agent.agent.loops.warmPool.fill();
  await agent.setUp(startPod(agent.host, "web"));
  const { port } = of(agent, "web");
  assert(port !== undefined);
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  const { addresses, state, port: now, netns } = of(agent, "web");
  assertEquals([addresses, state], [["10.9.0.50/24"], "ready"]);
  assert(now !== port);
  assert(agent.host.switch.rows.get(port)?.externalIds.attachment === undefined);
  const pod = agent.host.kernel.namespaceAt(netns)!;
  assertEquals(pod.links.get("eth0")?.addresses, ["10.9.0.50/24"]);
  assertEquals(auditClaims(agent.store.database.documents), []);
});

Deno.test("pods of two hosts change places back, each by its own host's agent", async () => {
  using one = await startMemoryAgent({ isShared: true });
  using two = await startMemoryAgent({
    ...{ label: "host2", isShared: true, store: one.store.another() },
  });
  await one.apply([networkWith(THEN)]);
  await one.apply([networkWith({ ...THEN, web: THEN.db, db: THEN.web })]);
  const reconcileBoth = async () => {
    for (const agent of [one, two]) {
      await agent.cache.catchUp();
      assertEquals(await reconcileOnce(agent), 0);
    }
  };
  await reconcileBoth();
  await one.setUp(startPod(one.host, "web"));
  await two.setUp(startPod(two.host, "db"));
  await reconcileBoth();
  assertEquals(of(one, "web").addresses, [`${THEN.db}/24`]);
  await one.cache.catchUp();
  await back(one);
  await reconcileBoth();
  for (const [agent, name] of [[one, "web"], [two, "db"]] as const) {
    const { addresses, state } = of(agent, name);
    assertEquals([addresses, state], [[`${THEN[name]}/24`], "ready"]);
    assertEquals(agent.host.switch.rows.size, 1);
  }
  assertEquals(auditClaims(one.store.database.documents), []);
});

Deno.test("of a pod with two interfaces the other one and its default route stay", async () => {
  using agent = await startMemoryAgent();
  const other = { Name: "m", SubnetCIDR: "10.8.0.0/24", DefaultGw: "10.8.0.254" };
  const networks = (IpAddress: string) => [
    networkWith({ web: "10.9.0.50" }),
    { ...other, Endpoints: [{ Container: "web", IpAddress }] },
  ];
  await agent.apply(networks("10.8.0.50"));
  await agent.apply(networks("10.8.0.60"));
  await reconcileOnce(agent);
  await agent.setUp(startPod(agent.host, "web"));
  const byNetwork = () => new Map(agent.attachments().map((one) => [one.network, one]));
  const before = byNetwork();
  await back(agent);
  assertEquals(await reconcileOnce(agent), 0);
  const after = byNetwork();
  assertEquals(after.get("n"), before.get("n"));
  const [was, is] = [before.get("m")!, after.get("m")!];
  assertEquals([is.addresses, is.interface, is.gateway, is.state], [
    ["10.8.0.50/24"],
    was.interface,
    was.gateway,
    "ready",
  ]);
});

Deno.test("an address that only stops being the intent's choice interrupts no pod", async () => {
  using agent = await startMemoryAgent();
  const pool = { Name: "n", SubnetCIDR: "10.9.0.0/24", Endpoints: [{ Container: "web" }] };
  await agent.apply([pool]);
  await agent.apply([{ ...pool, Endpoints: [{ Container: "web", IpAddress: "10.9.0.1" }] }]);
  await reconcileOnce(agent);
  await agent.setUp(startPod(agent.host, "web"));
  const before = of(agent, "web");
  const plan = await agent.intents.plan({ mode: "rollback", text: "", to: 1 }, {});
  assertEquals(plan.hosts, {});
  assertEquals(plan.operations.length, 1);
  const lines = plan.operations.flatMap(({ lines }) => lines);
  assert(!lines.some((line) => line.includes("attached again")), lines.join("\n"));
  await back(agent, false);
  assertEquals(await reconcileOnce(agent), 0);
  assertEquals([of(agent, "web").id, of(agent, "web").addresses], [before.id, before.addresses]);
});

for (
  const [what, call] of [
    ["the former port cannot be removed", "removePorts"],
    ["the new port cannot be added", "addPort"],
  ] as const
) {
  Deno.test(`if ${what}, the next reconciliation does the rest`, async () => {
    using agent = await startMoved({ web: "10.9.0.60" });
    await back(agent);
    agent.host.switch.failNext(call, new Fault("timeout", "no answer"));
    await reconcileOnce(agent).catch(() => {});
    assertEquals(await reconcileOnce(agent), 0);
    checkBack(agent);
  });
}

Deno.test("an agent that is killed between record and port finishes after its start", async () => {
  const first = await startMoved({ web: "10.9.0.60" });
  await back(first);
  first.host.switch.failNext("removePorts", new Fault("unavailable", "killed"));
  await assertRejects(() => reconcileOnce(first), Fault, "killed");
  first[Symbol.dispose]();
  using agent = await startMemoryAgent({ host: first.host, store: first.store });
  await reconcileOnce(agent);
  checkBack(agent);
});

Deno.test("while the store is unreachable, the pod keeps the address that it has", async () => {
  using agent = await startMoved({ web: "10.9.0.60" }, { isShared: true });
  await back(agent);
  const before = [of(agent, "web"), agent.host.switch.rows.size];
  agent.store.beforeCommit = () => {
    throw new Fault("unavailable", "store is unreachable");
  };
  await reconcileOnce(agent);
  assertEquals([of(agent, "web"), agent.host.switch.rows.size], before);
  assert(agent.logged.some((line) => line.includes("pod keeps its earlier address for now")));
  agent.store.beforeCommit = () => {};
  assertEquals(await reconcileOnce(agent), 0);
  checkBack(agent);
});

Deno.test("without --force it is refused, and the plan says which pods get which address", async () => {
  using agent = await startMoved({ web: "10.9.0.60" });
  const before = JSON.stringify([...agent.store.database.documents]);
  const fault = await assertRejects(() => back(agent, false), Fault);
  assertEquals([fault.code, fault.message], [
    "conflict",
    "endpoint t/n/web keeps its IpAddress: attached: default/web on host1; delete these pods first, or add --force",
  ]);
  assertEquals(JSON.stringify([...agent.store.database.documents]), before);
  const plan = await agent.intents.plan({ mode: "rollback", text: "", to: 1 }, {});
  assertStringIncludes(plan.warnings.join(), "rollback will be refused");
  assertEquals(plan.operations.map(({ lines }) => lines), [[
    "IpAddress: 10.9.0.60 → 10.9.0.50",
    "detached, and attached again with it: default/web on host1",
  ]]);
  assertEquals(plan.hosts?.host1?.cuts.map(({ pod, why, until }) => [pod, why, until]), [
    [
      "default/web",
      "its address 10.9.0.60 → 10.9.0.50",
      "until it is attached again with the new one",
    ],
  ]);
});

Deno.test("a tag does not change under running pods, forced or not", async () => {
  using agent = await startMoved({}, { more: { PktTag: 142 } });
  const fault = await assertRejects(() => back(agent), Fault);
  assertStringIncludes(fault.message, "keeps its PktTag");
  assert(!fault.message.includes("--force"));
});

Deno.test("a subnet of another size is said of the pods whose addresses stay", async () => {
  using agent = await startMoved({}, {
    more: { SubnetCIDR: "10.9.0.0/25", DefaultGw: "10.9.0.1" },
  });
  const key = "networks/t/n";
  const before = agent.store.database.get(key) as never;
  const after = { ...before as object, subnet: "10.9.0.0/24" } as never;
  const { documents } = agent.store.database;
  const cutsOf = (now: never) =>
    planImpact(documents, [{ op: "update", kind: "network", key: "t/n", before, after: now }])
      .host1?.cuts.map(({ pod, why }) => `${pod}: ${why}`).sort();
  assertEquals(
    cutsOf(after),
    ["db", "other", "web"].map((name) => `default/${name}: its subnet 10.9.0.0/25 → 10.9.0.0/24`),
  );
  assertEquals(cutsOf(before), undefined);
});
