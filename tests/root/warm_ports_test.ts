// Warm ports on real parts: the promise of a first answered ping, and what happens to ports when pods, the agent,
// Open vSwitch or an operator do what they should not.

import { assert, assertEquals } from "@std/assert";
import { macOf } from "../../lib/ipam/macs.ts";
import { type Host, intentOf, parkedPorts, poolFilled, startHost, worldOf } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { lostPings } from "../lab/pings.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const WARM = ["--ports", "warm"];
const PEER = "10.9.0.1";

/** Starts a host with `pods` more endpoints than the first, whose pod is there, and a filled pool. */
async function startWarm(pods: number): Promise<{ readonly host: Host; readonly peer: Pod }> {
  const host = await startHost(intentOf(pods + 1), ...WARM);
  const peer = await host.pod("pod0");
  await host.agent.setupByFile(peer);
  await poolFilled(host);
  return { host, peer };
}

/** Returns the port of a pod as Open vSwitch's row says it. */
async function portOf({ ovs }: Host, { name }: Pod): Promise<string | undefined> {
  const columns = ["--columns=name,external_ids", "--format=csv", "--no-headings"];
  const rows = (await ovs.vsctl(...columns, "list", "Port")).split("\n");
  const row = rows.find((one) => new RegExp(`\\bpod=${name}\\b`).test(one));
  return row && /\bc[vw][0-9a-f]{11}\b/.exec(row)?.[0];
}

async function assertWarm(host: Host, pod: Pod): Promise<string> {
  const port = await portOf(host, pod);
  assert(port !== undefined && port.startsWith("cw"), `${pod.name} has port ${port}`);
  return port;
}

async function settled(host: Host) {
  return await waitFor("links to be gone", async () => {
    const world = await worldOf(host);
    const ports = world.links.filter((name) => /^c[vw][0-9a-f]{11}$/.test(name));
    return ports.length === world.attachments.length && world;
  });
}

for (const [others, trials] of [[0, 100], [100, 100], [500, 50]] as const) {
  Deno.test(`the first ping after a warm setup is answered ${trials} of ${trials} times at ${others} ports`, async () => {
    await using stack = new AsyncDisposableStack();
    const { host } = await startWarm(others + 1);
    stack.use(host);
    for (let at = 1; at <= others; at += 16) {
      const names = Array.from({ length: Math.min(16, others + 1 - at) }, (_, n) => `pod${at + n}`);
      const pods = await Promise.all(names.map((name) => host.pod(name)));
      await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
    }
    await waitFor("a free port", async () => (await parkedPorts(host)).length > 4, {
      limitMs: 30_000,
    });
    for (let trial = 0; trial < trials; trial++) {
      await using pod = await host.pod(`pod${others + 1}`);
      await host.agent.setupByFile(pod);
      assert(await pod.pings(PEER), `trial ${trial}`);
      if (trial === trials - 1) await assertWarm(host, pod);
      assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    }
  });
}

Deno.test("20 warm setups at once connect 20 pods, and torn down pods are isolated at once", async () => {
  await using stack = new AsyncDisposableStack();
  const { host, peer } = await startWarm(20);
  stack.use(host);
  const before = await settled(host);
  const pods = await Promise.all(Array.from({ length: 20 }, (_, n) => host.pod(`pod${n + 1}`)));
  for (let round = 0; round < 3; round++) {
    await Promise.all(pods.map((pod) => host.agent.setupByFile(pod)));
    for (const pod of pods) assert(await pod.reaches(PEER), `round ${round}: ${pod.name}`);
    await Promise.all(pods.map(async (pod) => {
      assertEquals((await host.agent.verb("teardown", pod)).code, 0);
      await waitFor("the pod to be isolated", async () => !await pod.pings(PEER), {
        limitMs: 1_000,
      });
    }));
    const { attachments, ports, links } = await settled(host);
    assertEquals({ attachments, ports, links }, {
      attachments: before.attachments,
      ports: before.ports,
      links: before.links,
    });
  }
  assert(await peer.reaches("10.9.0.1"));
});

Deno.test("the bridge has learned no MAC of pods that went as soon as they had come", async () => {
  await using stack = new AsyncDisposableStack();
  const { host } = await startWarm(30);
  stack.use(host);
  const pods = await Promise.all(Array.from({ length: 30 }, (_, n) => host.pod(`pod${n + 1}`)));
  await Promise.all(pods.map((pod) => host.agent.setupOnce(pod)));
  const ended = await Promise.all(pods.map((pod) => host.agent.verb("teardown", pod)));
  assertEquals(ended.filter(({ code }) => code !== 0), []);
  const learned = async () => {
    const table = await host.ovs.appctl("fdb/show", "contivBridge");
    return pods.filter((_, n) => table.includes(macOf(`10.9.0.${n + 2}`)));
  };
  await settled(host);
  await new Promise((done) => setTimeout(done, 2_000)); // what is announced late is announced by then
  await waitFor("no MAC of theirs", async () => (await learned()).length === 0);
});

Deno.test("kill -9 of agent and ovs-vswitchd: warm pods keep their ports, and their pings", async () => {
  await using stack = new AsyncDisposableStack();
  const { host, peer } = await startWarm(3);
  stack.use(host);
  const [one, two] = [await host.pod("pod1"), await host.pod("pod2")];
  for (const pod of [one, two]) await host.agent.setupByFile(pod);
  const port = await assertWarm(host, one);
  const pinging = lostPings(one, "10.9.0.3", { count: 100 });
  await host.agent.stop("SIGKILL");
  await host.agent.start();
  assertEquals(await pinging, []);
  await host.ovs.killVswitchd();
  await host.ovs.startVswitchd();
  for (const pod of [peer, one, two]) assert(await pod.reaches("10.9.0.3"), pod.name);
  assertEquals(await portOf(host, one), port);
  const next = await host.pod("pod3");
  await host.agent.setupByFile(next);
  await assertWarm(host, next);
  assert(await next.pings(PEER));
});

Deno.test("a pod that keeps its interface in another namespace neither keeps nor spoils a network", async () => {
  await using stack = new AsyncDisposableStack();
  const { host } = await startWarm(2);
  stack.use(host);
  const [thief, next] = [await host.pod("pod1"), await host.pod("pod2")];
  const hidden = await host.pod("hidden");
  await host.agent.setupByFile(thief);
  const port = await assertWarm(host, thief);
  await thief.run("ip", "link", "set", "eth0", "netns", hidden.id);
  await hidden.run("ip", "link", "set", "eth0", "up");
  await hidden.run("ip", "address", "add", "10.9.0.2/16", "dev", "eth0");
  assertEquals((await host.agent.verb("teardown", thief)).code, 0);
  assert(!await hidden.pings(PEER), "the hidden interface still has a network");
  await waitFor("its port to be removed", async () => {
    return !(await run("ip", ["-o", "link"])).includes(port);
  });
  assertEquals((await hidden.run("ip", "-o", "link")).text.includes("eth0"), false);
  await host.agent.setupByFile(next);
  assert(await next.pings(PEER));
});

Deno.test("what an operator removes is made anew: link, row, flows, interface, the holding namespace's name", async () => {
  await using stack = new AsyncDisposableStack();
  const { host } = await startWarm(2);
  stack.use(host);
  const pod = await host.pod("pod1");
  await host.agent.setupByFile(pod);
  const back = async (what: string) =>
    await waitFor(`${what} to be back`, () => pod.pings(PEER), { limitMs: 90_000 });
  await assertWarm(host, pod);
  await host.ovs.vsctl("del-port", (await portOf(host, pod))!);
  await back("the row");
  await host.ovs.ofctl("del-flows", "contivBridge");
  await back("the flows");
  await pod.run("ip", "link", "del", "eth0");
  await back("the interface");
  await run("ip", ["netns", "delete", "k8contivnet-host1"]);
  const two = await host.pod("pod2");
  await host.agent.setupByFile(two);
  assert(await two.pings(PEER));
  await run("ip", ["link", "del", (await portOf(host, pod))!]);
  await back("the link");
});

Deno.test("another --ports at the next start keeps pods, and removes ports that wait for one", async () => {
  await using stack = new AsyncDisposableStack();
  const { host } = await startWarm(2);
  stack.use(host);
  const pod = await host.pod("pod1");
  await host.agent.setupByFile(pod);
  const port = await assertWarm(host, pod);
  const pinging = lostPings(pod, PEER, { count: 150 });
  await host.agent.stop();
  await host.agent.start("--ports", "plain");
  assertEquals(await pinging, []);
  assertEquals([await portOf(host, pod), await parkedPorts(host)], [port, []]);
  const two = await host.pod("pod2");
  await host.agent.setupByFile(two);
  assert((await portOf(host, two))?.startsWith("cv"));
  for (const one of [pod, two]) assert(await one.pings(PEER));
  assertEquals((await host.agent.verb("teardown", pod)).code, 0);
  await settled(host);
});
