// Manual changes inside pods are repaired: after events of the kernel, and by walks over all pods.

import { assert, assertEquals } from "@std/assert";
import { watchDrift } from "../../../../lib/agent/reconcile/drift_watch.ts";
import type { LinkEvent } from "../../../../lib/net/link_events.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import type { MemoryLink, MemoryNamespace } from "../../../memory/memory_kernel.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { type MemoryAgent, startMemoryAgent, startPod } from "../../../memory/memory_agent.ts";
import { speedUpTimers } from "../fast_timers.ts";

speedUpTimers(100);

/** What each pod should have. */
type PodEnd = Pick<MemoryLink, "mac" | "mtu" | "isUp" | "addresses"> & {
  readonly gateway?: string;
};

/** Starts an agent with `count` pods attached, and returns the first one's links. */
async function startAttached(count = 1) {
  const agent = await startMemoryAgent();
  const names = Array.from({ length: count }, (_, at) => `pod-${at}`);
  await agent.apply([{
    ...{ Name: "n", DefaultGw: "10.9.0.254" },
    Endpoints: names.map((Container) => ({ Container })),
  }]);
  await agent.agent.loops.reconcile.reconcileOnce();
  const pods = names.map((name) => startPod(agent.host, name));
  for (const pod of pods) await agent.setUp(pod);
  const [one] = agent.attachments();
  const inside = agent.host.kernel.namespaceAt(one!.netns)!;
  const hostEnd = agent.host.kernel.host.links.get(`cv${one!.id}`)!;
  agent.host.switch.calls.length = 0;
  agent.host.links.recorder.calls.length = 0;
  return { agent, pods, one: one!, inside, hostEnd, podEnd: inside.links.get("eth0")! };
}

type Attached = Awaited<ReturnType<typeof startAttached>>;

const check = ({ agent }: MemoryAgent, events: readonly LinkEvent[], walk?: number) =>
  agent.loops.drift.checkPods(events, walk);

function endIn(inside: MemoryNamespace): PodEnd | undefined {
  const link = inside.links.get("eth0");
  const gateway = inside.defaultRoute?.gateway;
  return link && {
    ...{ mac: link.mac, mtu: link.mtu, isUp: link.isUp, addresses: [...link.addresses] },
    ...gateway === undefined ? {} : { gateway },
  };
}

/** As agent.state(); a port that was made anew has another number, which is left out. */
function stateOf(agent: MemoryAgent) {
  const { flows, ...rest } = agent.state();
  return { ...rest, flows: flows.map((flow) => flow.replace(/cookie=\w+|in_port=\d+/g, "")) };
}

/** Returns how often the reconcile loop is notified from now on. */
function notifications({ agent }: MemoryAgent): () => number {
  let count = 0;
  agent.signals.reconcile.notify = () => void count++;
  return () => count;
}

const linkEvent = ({ name, mac, mtu, isUp }: MemoryLink): LinkEvent => ({
  ...{ kind: "link", name, mac, mtu, isUp },
});

/** What is changed by hand, and the kernel's event of it. */
const CHANGES: readonly (readonly [string, (one: Attached) => LinkEvent])[] = [
  ["an address was removed", ({ podEnd }) => {
    podEnd.addresses = [];
    return { kind: "address", address: "10.9.0.1" };
  }],
  ["the interface was set down", ({ podEnd }) => {
    podEnd.isUp = false;
    return linkEvent(podEnd);
  }],
  ["the interface has another MTU", ({ podEnd }) => {
    podEnd.mtu = 1_400;
    return linkEvent(podEnd);
  }],
  ["its default route was removed", ({ inside }) => {
    inside.defaultRoute = undefined;
    return { kind: "route", gateway: "10.9.0.254" };
  }],
  ["the host end was set down", ({ hostEnd }) => {
    hostEnd.isUp = false;
    return linkEvent(hostEnd);
  }],
  ["the host end has another MTU", ({ hostEnd }) => {
    hostEnd.mtu = 1_400;
    return linkEvent(hostEnd);
  }],
  ["the interface was deleted", ({ agent, podEnd, hostEnd }) => {
    agent.host.kernel.deleteLink(podEnd);
    return { kind: "gone", name: hostEnd.name };
  }],
  ["events were lost, and its address was removed", ({ podEnd }) => {
    podEnd.addresses = [];
    return { kind: "lost" };
  }],
];

for (const [what, change] of CHANGES) {
  Deno.test(`a pod is repaired where ${what}`, async () => {
    const attached = await startAttached();
    const { agent, inside } = attached;
    using _ = agent;
    const [state, end] = [stateOf(agent), endIn(inside)];
    const notified = notifications(agent);
    await check(agent, [change(attached)]);
    assertEquals([stateOf(agent), endIn(inside)], [state, end]);
    const host = agent.host.kernel.host.links.get(attached.hostEnd.name)!;
    assertEquals([host.isUp, host.mtu], [true, 1_500]);
    assertEquals(notified(), 0);
    const logged = agent.logged.filter((line) => line.includes("pod interface reconciled"));
    assertEquals(logged.length, 1);
    assert(logged[0]!.includes("default/pod-0"), logged[0]);
  });
}

Deno.test("a changed MAC address, for which no event comes, is repaired by a walk", async () => {
  const { agent, inside, podEnd } = await startAttached();
  using _ = agent;
  const end = endIn(inside);
  podEnd.mac = "02:00:00:00:00:99";
  await check(agent, [], 1);
  assert(podEnd.mac === "02:00:00:00:00:99", "it is not its turn");
  await check(agent, [], 12);
  assertEquals(endIn(inside), end);
});

Deno.test("twelve walks check each pod once", async () => {
  const { agent } = await startAttached(30);
  using _ = agent;
  for (let walk = 1; walk <= 12; walk++) await check(agent, [], walk);
  const seen = agent.host.links.recorder.argsOf("podLinks").map(([netns]) => netns);
  assertEquals([seen.length, new Set(seen).size], [30, 30]);
  assertEquals(agent.host.links.recorder.argsOf("hostEnds"), [], "a walk lists no host ends");
  assertEquals(agent.host.switch.calls, []);
});

Deno.test("a pod that is as it should be is not touched, whatever the event says", async () => {
  const { agent, podEnd } = await startAttached();
  using _ = agent;
  const before = agent.state();
  await check(agent, [linkEvent(podEnd), { kind: "lost" }, {
    kind: "address",
    address: "10.9.0.1",
  }]);
  assertEquals(agent.state(), before);
  assertEquals([agent.host.switch.calls, agent.host.links.recorder.argsOf("ensurePodSide")], [
    ...[[], []],
  ]);
});

Deno.test("events about other links cost nothing", async () => {
  const { agent } = await startAttached();
  using _ = agent;
  const other = { name: "docker0", mac: "02:00:00:00:00:77", mtu: 1_400, isUp: false };
  await check(agent, [
    { kind: "link", ...other },
    { kind: "gone", name: "docker0" },
    { kind: "address", address: "192.0.2.1" },
    { kind: "route", gateway: "192.0.2.254" },
  ]);
  assertEquals(agent.host.links.recorder.calls, []);
});

Deno.test("a pod that is not ready is left to its set-up or to the reconciliation", async () => {
  const { agent, one, podEnd } = await startAttached();
  using _ = agent;
  const key = `attachments/host1/${one.sandbox}/eth0`;
  agent.store.database.put({ [key]: { ...one, state: "planned" } });
  await agent.cache.catchUp();
  podEnd.addresses = [];
  await check(agent, [{ kind: "lost" }], 12);
  assertEquals([podEnd.addresses, agent.host.links.recorder.calls], [[], []]);
});

Deno.test("a pod that is torn down before its turn is left alone", async () => {
  const { agent, pods: [pod], podEnd } = await startAttached();
  using _ = agent;
  const teardown = agent.agent.answerVerb("teardown", pod!);
  podEnd.addresses = [];
  await check(agent, [{ kind: "lost" }]);
  await teardown;
  assertEquals(agent.host.links.recorder.argsOf("podLinks"), []);
  assertEquals([agent.attachments(), agent.host.switch.rows.size], [[], 0]);
});

for (const change of [{ id: "00000000000" }, { state: "failed" }]) {
  Deno.test(`a pod whose record has ${Deno.inspect(change)} before its turn is left alone`, async () => {
    const { agent, one, podEnd } = await startAttached();
    using _ = agent;
    podEnd.addresses = [];
    const turn = agent.agent.sandboxes.queue.run(one.sandbox, async () => {
      const key = `attachments/host1/${one.sandbox}/eth0`;
      agent.store.database.put({ [key]: { ...one, ...change } });
      await agent.cache.catchUp();
    });
    await check(agent, [{ kind: "lost" }]);
    await turn;
    assertEquals([podEnd.addresses, agent.host.links.recorder.argsOf("podLinks")], [[], []]);
  });
}

Deno.test("a sandbox that is gone notifies the reconcile loop, until it is marked", async () => {
  const { agent, pods: [pod] } = await startAttached();
  using _ = agent;
  const notified = notifications(agent);
  agent.host.runtimes.kill(pod!.sandbox);
  await check(agent, [{ kind: "lost" }]);
  assertEquals(notified(), 1);
  await agent.agent.loops.reconcile.reconcileOnce();
  await check(agent, [{ kind: "lost" }]);
  assertEquals([notified(), agent.attachments().length], [1, 1]);
});

Deno.test("a pod whose sandbox does not live, though its path is there, is not repaired", async () => {
  const { agent, podEnd } = await startAttached();
  using _ = agent;
  podEnd.addresses = [];
  agent.host.runtimes.isAlive = () => Promise.resolve(false);
  await check(agent, [{ kind: "lost" }]);
  assertEquals(podEnd.addresses, []);
});

Deno.test("a pod that cannot be checked now stops no other, and is checked the next time", async () => {
  const { agent } = await startAttached(3);
  using _ = agent;
  const notified = notifications(agent);
  const ends = agent.attachments().map(({ netns }) =>
    agent.host.kernel.namespaceAt(netns)!.links.get("eth0")!
  );
  const broken = () => ends.filter(({ addresses }) => addresses.length === 0).length;
  for (const end of ends) end.addresses = [];
  agent.host.links.recorder.fail("podLinks", new Fault("timeout", "the kernel is busy"));
  await check(agent, [{ kind: "lost" }]);
  assertEquals([broken(), notified()], [1, 0]);
  const lines = agent.logged.filter((line) => line.includes("the kernel is busy"));
  assertEquals([lines.length, lines[0]?.startsWith("debug")], [1, true]);
  await check(agent, [{ kind: "lost" }]);
  assertEquals(broken(), 0);
});

// ---- the watch

/** Watches for `rounds`; returns what was done in which round. */
async function watch(
  rounds: number,
  {
    events = [],
    hasDrifted = () => Promise.resolve(false),
    hasReachDrifted = () => Promise.resolve(false),
    checkPods = () => Promise.resolve(),
  }: {
    readonly events?: readonly (readonly LinkEvent[])[];
    readonly hasDrifted?: () => Promise<boolean>;
    readonly hasReachDrifted?: () => Promise<boolean>;
    readonly checkPods?: () => Promise<void>;
  } = {},
) {
  const done: string[] = [];
  const [log, stop] = [new MemoryLog(), new AbortController()];
  let [round, notified] = [0, 0];
  await watchDrift({
    events: {
      take: () => {
        if (round++ === rounds) stop.abort();
        return [...events[round - 1] ?? []];
      },
      close: () => {},
    },
    checkPods: async (given, walk) => {
      if (round > rounds) return;
      done.push(`${round}: ${given.length} events, walk ${walk}`);
      await checkPods();
    },
    fabric: {
      hasDrifted: async () => {
        if (round > rounds) return false;
        done.push(`${round}: fabric`);
        return await hasDrifted();
      },
    },
    reach: { hasDrifted: () => round > rounds ? Promise.resolve(false) : hasReachDrifted() },
    handleNotes: () => Promise.resolve(void (round <= rounds && done.push(`${round}: notes`))),
    ...{ log, reconcileSignal: { notify: () => notified++ } },
  }, stop.signal);
  return { done, log, notified };
}

Deno.test("the watch walks and reads notes in each fifth round, and counts flows in each second", async () => {
  const { done, log } = await watch(11);
  assertEquals(done, [
    ...["2: fabric", "4: fabric", "5: 0 events, walk 1", "5: notes", "6: fabric", "8: fabric"],
    ...["10: 0 events, walk 2", "10: fabric", "10: notes"],
  ]);
  assertEquals(log.lines, []);
});

Deno.test("the watch checks pods at once where there are events", async () => {
  const lost = { kind: "lost" } as const;
  const { done } = await watch(3, { events: [[], [lost, lost], []] });
  assertEquals(done, ["2: 2 events, walk undefined", "2: fabric"]);
});

Deno.test("flows that have changed lead to one log line and a reconciliation", async () => {
  let checks = 0;
  const hasDrifted = () => Promise.resolve(++checks === 2);
  const { log, notified } = await watch(8, { hasDrifted });
  assertEquals([notified, log.lines.length], [1, 1]);
});

Deno.test("what the host has of reach is checked though the fabric cannot be, and reconciled", async () => {
  let checks = 0;
  const { log, notified } = await watch(8, {
    hasDrifted: () => Promise.reject(new Fault("timeout", "Open vSwitch is busy")),
    hasReachDrifted: () => Promise.resolve(++checks === 2),
  });
  assertEquals([checks, notified], [4, 1]);
  assertEquals(log.lines.filter((line) => line.includes("reach")).length, 1);
});

Deno.test("a failed check is logged at level debug, and later rounds continue", async () => {
  const fail = () => Promise.reject(new Fault("unavailable", "no answer"));
  const { done, log, notified } = await watch(10, { hasDrifted: fail, checkPods: fail });
  assertEquals([done.length, notified], [9, 0]);
  assertEquals(log.lines.every((line) => line.startsWith("debug")), true);
});
