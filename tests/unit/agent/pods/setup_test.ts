// Setting one pod up, on drivers in memory: what it leaves in the pod, on the bridge and in the store, and
// that a failed one leaves nothing.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { applyClaim } from "../../../../lib/agent/pods/apply_claim.ts";
import { addressFinderOf } from "../../../../lib/agent/pods/dynamic_endpoint_claim.ts";
import { LinkRemovals } from "../../../../lib/agent/pods/link_removals.ts";
import { LocalTags } from "../../../../lib/agent/pods/local_tags.ts";
import { Mtus } from "../../../../lib/agent/pods/mtus.ts";
import { AliasesInFlight } from "../../../../lib/agent/pods/pod_alias.ts";
import { createPlumbing } from "../../../../lib/agent/pods/plumbing.ts";
import { tenantWith } from "../../../fixtures/tenant.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { noPodMetadata } from "../../../../lib/agent/pods/pod_metadata.ts";
import { type SetupDeps, setupPod } from "../../../../lib/agent/pods/setup.ts";
import { WarmPorts } from "../../../../lib/agent/pods/warm_ports.ts";
import { addressToText, parseAddress } from "../../../../lib/ipam/subnets.ts";
import { createLog } from "../../../../lib/util/log.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import {
  type MemoryAgent,
  type MemoryHost,
  startMemoryAgent,
  startPod,
} from "../../../memory/memory_agent.ts";

const WEB = { Name: "n", DefaultGw: "10.9.0.254", Endpoints: [{ Container: "web" }] };

/** Starts an agent that knows network t/n with endpoint web, on a bridge that is made. */
async function startAgent(network: object = WEB, host?: MemoryHost): Promise<MemoryAgent> {
  const agent = await startMemoryAgent(host ? { host } : {});
  await agent.apply([network]);
  await agent.agent.loops.reconcile.reconcileOnce();
  return agent;
}

/** Returns the interface of a pod as its network namespace has it. */
async function podEnd({ host }: MemoryAgent, sandbox: string, name = "eth0") {
  const { netns } = (await host.runtimes.findSandbox(sandbox))!;
  const namespace = host.kernel.namespaceAt(netns)!;
  const link = namespace.links.get(name);
  return link && {
    ...{ mac: link.mac, mtu: link.mtu, isUp: link.isUp, addresses: link.addresses },
    gateway: namespace.defaultRoute?.gateway,
  };
}

Deno.test("setup makes the pod's interface, its port and its record, and answers with them", async () => {
  using agent = await startAgent();
  const pod = startPod(agent.host, "web");
  const { outcome, attachments } = await agent.setUp(pod);
  assertEquals(outcome, "ready");
  assertEquals(
    attachments.map(({ addresses, vlan, interface: name, state }) => [
      ...[addresses, vlan, name, state],
    ]),
    [[["10.9.0.1/24"], 100, "eth0", "ready"]],
  );
  assertEquals(await podEnd(agent, pod.sandbox), {
    ...{ mac: "02:02:0a:09:00:01", mtu: 1_500, isUp: true, addresses: ["10.9.0.1/24"] },
    gateway: "10.9.0.254",
  });
  const [row] = [...agent.host.switch.rows.values()];
  assertEquals([row?.tag, row?.externalIds.pod, row?.externalIds.sandbox], [
    ...[100, "web", pod.sandbox],
  ]);
  assertEquals(agent.attachments().map(({ state }) => state), ["ready"]);
});

Deno.test("a second setup of the same sandbox changes nothing and answers the same", async () => {
  using agent = await startAgent();
  const pod = startPod(agent.host, "web");
  const first = await agent.setUp(pod);
  const before = agent.state();
  agent.host.switch.calls.length = 0;
  assertEquals(await agent.setUp(pod), first);
  assertEquals(agent.state(), before);
  assertEquals(agent.host.switch.calls.filter((call) => !call.startsWith("ports")), []);
});

Deno.test("setup of a sandbox in the host's network succeeds and touches nothing", async () => {
  using agent = await startAgent();
  const before = agent.state();
  const sandbox = agent.host.runtimes.start({
    ...{ name: "k8s_POD_web_default_u_0", network: "host" },
  });
  const answer = await agent.setUp({ namespace: "default", name: "web", sandbox });
  assertEquals(answer, { outcome: "host-network", attachments: [] });
  assertEquals(agent.state(), before);
});

Deno.test("setup of an unknown sandbox, and of one that has ended, is not_found and says what to do", async () => {
  using agent = await startAgent();
  const before = agent.state();
  const pod = { namespace: "default", name: "web", sandbox: "0123456789abcdef" };
  const unknown = await assertRejects(() => agent.setUp(pod), Fault, "is unknown");
  assertEquals([unknown.code, unknown.fix !== undefined], ["not_found", true]);
  const ended = startPod(agent.host, "web");
  agent.host.runtimes.kill(ended.sandbox);
  const fault = await assertRejects(() => agent.setUp(ended), Fault, "is not running");
  assertEquals(fault.code, "not_found");
  assertEquals(agent.state(), before);
});

Deno.test("a pod that nothing names is left alone, or refused with --unmatched fail, and remembered", async () => {
  for (const onUnmatched of ["ignore", "fail"] as const) {
    using agent = await startMemoryAgent({ options: { onUnmatched } });
    await agent.apply([WEB]);
    const before = agent.state();
    const pod = startPod(agent.host, "stranger");
    if (onUnmatched === "fail") {
      const fault = await assertRejects(() => agent.setUp(pod), Fault, "has no endpoint");
      assertEquals(fault.code, "not_found");
    } else assertEquals((await agent.setUp(pod)).outcome, "unmatched");
    assertEquals(agent.state(), before);
    const [left] = agent.agent.sandboxes.unmatched.list();
    assertEquals(left?.pod, pod);
    assertStringIncludes(left!.reason, "no endpoint names default/stranger");
  }
});

Deno.test("a pod that no endpoint names gets an address of its tenant's Default network, and releases it", async () => {
  using agent = await startAgent({ Name: "n", Default: true });
  const before = agent.state();
  const pods = ["a", "b", "c"].map((name) => startPod(agent.host, name));
  const answers = await Promise.all(pods.map((pod) => agent.setUp(pod)));
  const addresses = answers.map(({ attachments: [one] }) => one?.addresses[0]);
  assertEquals(addresses.sort(), ["10.9.0.1/24", "10.9.0.2/24", "10.9.0.3/24"]);
  for (const pod of pods) await agent.agent.tearDown(pod);
  await agent.agent.sandboxes.queue.idle();
  assertEquals(agent.state(), before);
});

Deno.test("fifty setups at once have fifty addresses, ports and records", async () => {
  using agent = await startAgent({ Name: "n", Default: true });
  const pods = Array.from({ length: 50 }, (_, at) => startPod(agent.host, `pod${at}`));
  const answers = await Promise.all(pods.map((pod) => agent.setUp(pod)));
  const addresses = answers.flatMap(({ attachments }) =>
    attachments.flatMap((one) => one.addresses)
  );
  assertEquals(new Set(addresses).size, 50);
  assertEquals(agent.host.switch.rows.size, 50);
  assertEquals(agent.attachments().filter(({ state }) => state === "ready").length, 50);
});

Deno.test("fifty setups at once in a large pool get what few addresses it has left; one more is refused", async () => {
  using agent = await startMemoryAgent();
  await agent.apply([{ Name: "n", Default: true }], { AllocSubnetLen: 19 });
  await agent.agent.loops.reconcile.reconcileOnce();
  // Every 160th address of 8,190 is free.
  const used = Array.from({ length: 8_190 }, (_, n) => n + 1).filter((n) => n % 160 > 0);
  const base = parseAddress("10.9.0.0");
  agent.store.database.put(
    Object.fromEntries(
      used.map((n) => [
        `claims/ip/t/n/${addressToText(base + n)}`,
        { schema: 1, owner: `endpoints/t/n/other${n}` },
      ]),
    ),
  );
  await agent.cache.catchUp();
  const pods = Array.from({ length: 51 }, (_, at) => startPod(agent.host, `pod${at}`));
  const answers = await Promise.all(pods.map((pod) => agent.setUp(pod)));
  const addresses = answers.flatMap(({ attachments: [one] }) => one?.addresses ?? []);
  const free = Array.from({ length: 51 }, (_, n) => `${addressToText(base + 160 * (n + 1))}/19`);
  assertEquals(addresses.sort(), free.sort());
  const fault = await assertRejects(() => agent.setUp(startPod(agent.host, "late")), Fault);
  assertEquals(fault.code, "exhausted");
});

Deno.test("an endpoint pinned to another host is refused with the host's name, and nothing changes", async () => {
  using agent = await startAgent({
    ...{ Name: "n", Endpoints: [{ Container: "web", Host: "host2" }] },
  });
  const before = agent.state();
  const pod = startPod(agent.host, "web");
  const fault = await assertRejects(() => agent.setUp(pod), Fault, "host2");
  assertEquals(fault.code, "conflict");
  assertEquals(agent.state(), before);
});

Deno.test("arguments in the old guide's order are understood where the runtime knows no pod", async () => {
  using agent = await startAgent();
  const [namespace, sandbox] = ["web", "0123456789abcdef"];
  agent.host.kernel.addNamespace(`/run/netns/${sandbox}`);
  const { attachments } = await agent.setUp({ namespace, name: "default", sandbox });
  assertEquals(attachments[0]?.pod, { namespace: "default", name: "web" });
  assert(agent.logged.some((line) => line.includes("old guide's order")));
});

Deno.test("a new sandbox of the same pod takes the endpoint over, whose old port goes", async () => {
  using agent = await startAgent();
  const [old, fresh] = [startPod(agent.host, "web"), startPod(agent.host, "web")];
  await agent.setUp(old);
  await agent.setUp(fresh);
  assertEquals(agent.attachments().map(({ sandbox }) => sandbox), [fresh.sandbox]);
  assertEquals([...agent.host.switch.rows.values()].map((row) => row.externalIds.sandbox), [
    fresh.sandbox,
  ]);
});

Deno.test("a foreign interface that is up keeps its default route, and ours gets the next name", async () => {
  using agent = await startAgent();
  const pod = startPod(agent.host, "web");
  const { netns } = (await agent.host.runtimes.findSandbox(pod.sandbox))!;
  const namespace = agent.host.kernel.namespaceAt(netns)!;
  agent.host.kernel.addLink(namespace, {
    ...{ name: "eth0", isUp: true, addresses: ["172.17.0.2/16"] },
  });
  const { attachments } = await agent.setUp(pod);
  assertEquals(attachments[0]?.interface, "net1");
  assertEquals((await podEnd(agent, pod.sandbox, "net1"))?.gateway, undefined);
  assert(agent.logged.some((line) => line.includes("foreign interface in the sandbox")));
});

Deno.test("a fixed interface name that is taken in the sandbox is refused, and nothing is left", async () => {
  using agent = await startAgent({
    ...{ Name: "n", Endpoints: [{ Container: "web", Interface: "eth0" }] },
  });
  const pod = startPod(agent.host, "web");
  const { netns } = (await agent.host.runtimes.findSandbox(pod.sandbox))!;
  agent.host.kernel.addLink(agent.host.kernel.namespaceAt(netns)!, { name: "eth0" });
  const before = agent.state();
  await assertRejects(() => agent.setUp(pod), Fault, "eth0");
  assertEquals(agent.state(), before);
});

// ---- a setup that fails leaves nothing: neither claim, record, port nor link

const refused = new Fault("failed", "refused by the test");

/** Where a set-up may fail, and how a test makes it. */
const FAILURES: readonly [string, (agent: MemoryAgent) => void][] = [
  ["the store refuses the claim", ({ store }) => store.failNext("commit", "unreachable")],
  [
    "the store's answer to the claim is lost",
    ({ store }) => store.failNext("commit", "answer lost"),
  ],
  ["the link cannot be made", ({ host }) => host.links.recorder.fail("createPair", refused)],
  [
    "the link is made and the answer lost",
    ({ host }) => host.links.recorder.fail("createPair", refused, { afterWork: true }),
  ],
  ["the port is refused", ({ host }) => host.switch.failNext("addPort", refused)],
  [
    "the port is added and the answer lost",
    ({ host }) => host.switch.failNext("addPort", refused, "after"),
  ],
];

for (const [what, breakIt] of FAILURES) {
  Deno.test(`a setup fails and leaves nothing where ${what}; the next one works`, async () => {
    using agent = await startAgent({ Name: "n", Default: true });
    const pod = startPod(agent.host, "web");
    const before = agent.state();
    breakIt(agent);
    await assertRejects(() => agent.setUp(pod), Fault);
    await agent.cache.catchUp();
    await agent.agent.loops.reconcile.reconcileOnce();
    const after = agent.state();
    // What the agent does not know of, the next reconciliation attaches: then it is whole.
    if (agent.attachments().length === 0) assertEquals(after, before);
    assertEquals((await agent.setUp(pod)).outcome, "ready");
    assertEquals(agent.host.switch.rows.size, 1);
    assertEquals(agent.attachments().length, 1);
  });
}

Deno.test("a setup whose port is refused releases its claim at once, before any reconciliation", async () => {
  using agent = await startAgent({ Name: "n", Default: true });
  const before = agent.state();
  agent.host.switch.failNext("addPort", refused);
  await assertRejects(() => agent.setUp(startPod(agent.host, "web")), Fault, "refused by the test");
  assertEquals(agent.attachments(), []);
  assertEquals(agent.state(), before);
});

Deno.test("a setup whose record cannot be marked ready removes the port again", async () => {
  using agent = await startAgent({ Name: "n", Default: true });
  const before = agent.state();
  let commits = 0;
  agent.store.beforeCommit = () => {
    if (++commits === 2) throw refused;
  };
  await assertRejects(() => agent.setUp(startPod(agent.host, "web")), Fault, "refused by the test");
  assertEquals(agent.state(), before);
});

// ---- the store is unreachable

Deno.test("while a shared store is unreachable, a pod whose endpoint is bound here is set up, and the store learns it later", async () => {
  using agent = await startMemoryAgent({ isShared: true });
  await agent.apply([WEB]);
  await agent.setUp(startPod(agent.host, "web"));
  const next = startPod(agent.host, "web");
  agent.store.isUnreachable = true;
  assertEquals((await agent.setUp(next)).outcome, "ready");
  assertEquals(agent.cache.pendingCount, 1);
  agent.store.isUnreachable = false;
  assertEquals(await agent.cache.replayPending(), []);
  const keys = [...agent.store.database.documents.keys()];
  assertEquals(keys.filter((key) => key.startsWith("attachments/")), [
    `attachments/host1/${next.sandbox}/eth0`,
  ]);
});

Deno.test("while a shared store is unreachable, a pod whose endpoint was never bound is refused", async () => {
  using agent = await startMemoryAgent({ isShared: true });
  await agent.apply([WEB]);
  agent.store.isUnreachable = true;
  const before = agent.state();
  const fault = await assertRejects(() => agent.setUp(startPod(agent.host, "web")), Fault);
  assertEquals(fault.code, "unavailable");
  assertEquals(agent.state(), before);
});

Deno.test("a store of this host alone that is unreachable refuses the set-up", async () => {
  using agent = await startAgent();
  await agent.setUp(startPod(agent.host, "web"));
  agent.store.isUnreachable = true;
  await assertRejects(() => agent.setUp(startPod(agent.host, "web")), Fault, "unreachable");
});

// ---- what no runtime asked for takes nothing from others

/** Returns what a set-up works with, on the parts of a running agent. */
function setupDepsOf({ host, cache, agent, time }: MemoryAgent): SetupDeps {
  const clock = { now: () => time.now, wallMs: () => time.wall };
  const log = createLog({ write: () => {} });
  const tags = new LocalTags();
  const reconcileSignal = agent.signals.reconcile;
  const linkRemovals = new LinkRemovals(host.links, log, () => {});
  const parts = {
    ...{ host: "host1", store: cache, switch: host.switch, links: host.links },
    ...{ linkRemovals, log, reconcileSignal },
  };
  const warmPorts = new WarmPorts({ ...parts, warmLinks: host.warmLinks });
  const plumbing = createPlumbing({ ...parts, warmPorts });
  const fabric = { ensure: () => Promise.resolve() };
  const reach = { ready: () => Promise.resolve(), ensureFor: () => Promise.resolve() };
  const policies = { ensureFor: () => Promise.resolve() };
  let ids = 0;
  return {
    ...{ host: "host1", store: cache, runtimes: host.runtimes, plumbing, clock, log },
    sandboxes: agent.sandboxes,
    podMetadata: noPodMetadata,
    planning: {
      mtus: new Mtus(host.links, log),
      addressesInFlight: new Set(),
      aliasesInFlight: new AliasesInFlight(),
      addressFinder: addressFinderOf({ host: "host1", store: cache, now: clock.now }),
      newId: () => `${++ids}`.padStart(11, "0"),
      warmPool: agent.loops.warmPool,
    },
    applyClaim: (claim) =>
      applyClaim(
        { store: cache, plumbing, tags, policies, fabric, reach, clock, log, reconcileSignal },
        claim,
      ),
    onUnmatched: "ignore",
  };
}

Deno.test("a late setup takes no endpoint from another sandbox; one that a kubelet asks for does", async () => {
  using agent = await startAgent();
  const [holder, late] = [startPod(agent.host, "web"), startPod(agent.host, "web")];
  await agent.setUp(holder);
  const before = agent.state();
  const deps = setupDepsOf(agent);
  assertEquals((await setupPod(deps, late, { isLate: true })).attachments, []);
  assertEquals(agent.state(), before);
  const { attachments } = await setupPod(deps, late);
  assertEquals(attachments.map(({ sandbox }) => sandbox), [late.sandbox]);
});

Deno.test("a late setup leaves a torn down sandbox torn down; a kubelet's setup ends that", async () => {
  using agent = await startAgent();
  const pod = startPod(agent.host, "web");
  await agent.agent.tearDown(pod);
  const deps = setupDepsOf(agent);
  await setupPod(deps, pod, { isLate: true });
  assert(agent.agent.sandboxes.tornDown.has(pod.sandbox));
  await setupPod(deps, pod);
  assert(!agent.agent.sandboxes.tornDown.has(pod.sandbox));
});

Deno.test("a pod that moves between hosts is bound with the next generation, and the old host's is no longer wanted", async () => {
  const one = await startMemoryAgent({ label: "host1", isShared: true });
  using two = await startMemoryAgent({
    ...{ label: "host2", isShared: true, store: one.store.another() },
  });
  using _ = one;
  await one.apply([WEB], {});
  await two.cache.catchUp();
  await one.setUp(startPod(one.host, "web"));
  await two.cache.catchUp();
  await two.setUp(startPod(two.host, "web"));
  assertEquals(two.attachments().map(({ generation }) => generation), [2]);
  await one.cache.catchUp();
  await one.agent.loops.reconcile.reconcileOnce();
  assertEquals([one.attachments(), one.host.switch.rows.size], [[], 0]);
});

for (
  const [what, left, outcome] of [
    ["there is none then", [], "unmatched"],
    ["another one is the default then", [{ Name: "m", Default: true }], "ready"],
  ] as const
) {
  Deno.test(`a pod whose network is deleted before its claim is committed gets another one: ${what}`, async () => {
    const store = new MemoryStore();
    using agent = await startMemoryAgent({ store, isShared: true });
    await agent.apply([{ Name: "n", Default: true }]);
    await agent.agent.loops.reconcile.reconcileOnce();
    using other = await startMemoryAgent({
      label: "host2",
      store: store.another(),
      isShared: true,
    });
    store.beforeCommit = async () => {
      store.beforeCommit = () => {};
      const text = JSON.stringify({ Tenants: [tenantWith({ Networks: left })] });
      await other.intents.apply({ mode: "replace", text, force: true });
    };
    const { outcome: ended, attachments } = await agent.setUp(startPod(agent.host, "web"));
    assertEquals([ended, ...attachments.map(({ network }) => network)], [
      ...[outcome, ...left.map(({ Name }) => Name)],
    ]);
  });
}
