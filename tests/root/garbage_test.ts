// Garbage is marked, verified, released; the address of a live pod never is, whichever source of truth
// lies. A second pod, which is really gone, measures the grace period: its release is the clock.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { startCluster } from "../lab/cluster.ts";
import { applyOn, tenantOf } from "../lab/default_network.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { type Host, intentOf, linksAtRest, startHost, worldOf } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { intentOf as vxlanIntentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings, pingOn } from "../lab/pings.ts";

const GRACE = ["--grace", "2"];
const LIMITS = { limitMs: 60_000 };

/** Returns when a pod that really went has been released: a grace time has passed by then. */
async function graceHasPassed(host: Host, name: string): Promise<void> {
  const pod = await host.pod(name);
  await host.agent.setup(pod);
  await pod[Symbol.asyncDispose]();
  const isGone = async () =>
    (await host.agent.attachments()).every(({ sandbox }) => sandbox !== pod.id);
  await waitFor(`${name} to be released`, isGone, LIMITS);
}

/** A process in the pod's namespace, which keeps it when its name is taken away. */
async function holder(pod: Pod): Promise<AsyncDisposable & { readonly pid: number }> {
  const args = [`--net=/run/netns/${pod.id}`, "sleep", "300"];
  const child = new Deno.Command("nsenter", { args, stdin: "null" }).spawn();
  const end = async () => {
    child.kill("SIGKILL");
    await child.status;
  };
  const inode = (path: string) => run("stat", ["-L", "-c", "%i", path]);
  await waitFor("the holder's namespace", async () => {
    return await inode(`/proc/${child.pid}/ns/net`) === await inode(`/run/netns/${pod.id}`);
  });
  return { pid: child.pid, [Symbol.asyncDispose]: end };
}

async function rowIdsOf({ ovs }: Pick<Host, "ovs">): Promise<string[]> {
  const words = ["--bare", "--columns=_uuid", "find", "Port", "external_ids:attachment!=x"];
  return (await ovs.vsctl(...words)).split("\n").filter(Boolean).sort();
}

Deno.test("Docker says that the container is gone: the pod stays while its namespace is there", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  const path = `${dir}/docker.sock`;
  // Nothing that a real Docker can be made to say.
  const liar = Deno.serve({ path, onListen: () => {} }, () => {
    return Response.json({ message: "No such container" }, { status: 404 });
  });
  try {
    await using host = await startHost(intentOf(3), ...GRACE, "--docker", `unix:${path}`);
    const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(peer);
    await host.agent.setup(pod);
    const rows = await rowIdsOf(host);
    await graceHasPassed(host, "pod2");
    assertEquals((await host.agent.attachments()).length, 2);
    assertEquals(await rowIdsOf(host), rows);
    assert(await pod.reaches("10.9.0.1"));
  } finally {
    await liar.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a namespace's name is missing for a moment: marked, found again, and not released", async () => {
  await using host = await startHost(intentOf(3), "--grace", "8");
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  await host.agent.setup(pod);
  await using held = await holder(pod);
  await run("ip", ["netns", "del", pod.id]);
  const says = (words: string) => async () => (await host.agent.logText()).includes(words);
  await waitFor(
    "the mark",
    says("sandbox is missing, grace period begins pod=default/pod1"),
    LIMITS,
  );
  await run("ip", ["netns", "attach", pod.id, String(held.pid)]);
  await waitFor("the mark's end", says("sandbox is back pod=default/pod1"), LIMITS);
  await graceHasPassed(host, "pod2");
  assertEquals((await host.agent.attachments()).length, 2);
  assert(await pod.reaches("10.9.0.1"));
});

Deno.test("what is left of a namespace's mount is not a sandbox: released after the grace time, and no name of ours is left", async () => {
  await using host = await startHost(intentOf(2), ...GRACE);
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  const before = await worldOf(host);
  await host.agent.setup(pod);
  // As a reboot, or a runtime that was killed, leaves it: an empty file.
  await run("umount", [`/run/netns/${pod.id}`]);
  await waitFor("the world to be as before", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  }, LIMITS);
  assertMatch(
    await host.agent.logText(),
    /detached pod=default\/pod1 [^\n]*why="its sandbox is gone"/,
  );
  assertEquals((await host.agent.attachments()).map(({ sandbox }) => sandbox), [peer.id]);
  await Deno.remove(`/run/netns/${pod.id}`);
});

Deno.test("the rows of Open vSwitch vanish while the agent is stopped: no address is released, all is made again", async () => {
  await using host = await startHost(intentOf(2), ...GRACE);
  const pods = [await host.pod("pod0"), await host.pod("pod1")];
  for (const pod of pods) await host.agent.setup(pod);
  const before = await host.agent.attachments();
  await host.agent.stop("SIGKILL");
  await host.ovs.vsctl("clear", "Open_vSwitch", ".", "bridges");
  await host.agent.start();
  assertEquals(await host.agent.attachments(), before);
  await waitFor("the pods to be served", () => pods[1]!.pings("10.9.0.1"));
});

Deno.test("the store answers empty: pods go on, on this host and between hosts, until it is there again", async () => {
  const intent = vxlanIntentOf("vteps", { orange: ["c1", "c2", "c3"] });
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", intent, flags: ["--heartbeat", "1", ...GRACE] },
  });
  const [h1, h2, etcd] = [cluster.host(1), cluster.host(2), cluster.etcd!];
  const [one, two] = [await h1.pod("myContainer1"), await h2.pod("myContainer2")];
  await h1.agent.setup(one);
  await h2.agent.setup(two);
  const address = await h2.agent.addressOf(two);
  const before = await h1.agent.attachments();
  const rows = await rowIdsOf(h1);
  const records = await etcd.read("/lab/");
  for (const key of records.keys()) if (key.startsWith("/lab/agents/")) records.delete(key);
  await linksAtRest([h1, h2]);
  const pinging = lostPings(one, address, { count: 150, everySeconds: 0.05 });
  await etcd.ctl("del", "--prefix", "/lab/");
  for (const { agent } of [h1, h2]) {
    await waitFor(
      "the agent to doubt it",
      async () => (await agent.logText()).includes("store is empty: attached pods are left"),
      LIMITS,
    );
  }
  // A restart meanwhile believes it no more than a running agent does.
  await h1.agent.stop("SIGKILL");
  await h1.agent.start();
  assertEquals(await pinging, []);
  assertEquals(await rowIdsOf(h1), rows);
  await etcd.write(records);
  await waitFor("the record to be as before", async () => {
    return JSON.stringify(await h1.agent.attachments()) === JSON.stringify(before);
  }, LIMITS);
  assertEquals(await rowIdsOf(h1), rows);
  assert(await one.reaches(address));
});

Deno.test("a lost etcd is filled again by a large intent: pods lose no ping until their endpoints come, last of all", async () => {
  const many = Array.from({ length: 1_500 }, (_, n) => ({ Container: `c${n}` }));
  const intent = tenantOf([{
    Name: "blue",
    Endpoints: [...many, { Container: "y" }, { Container: "z" }],
  }], { AllocSubnetLen: 16 });
  await using cluster = await startCluster({ hosts: 1, intent });
  const [host, etcd] = [cluster.host(1), cluster.etcd!];
  const [one, two] = [await host.pod("y"), await host.pod("z")];
  for (const pod of [one, two]) await host.agent.setup(pod);
  const [rows, before] = [await rowIdsOf(host), await host.agent.attachments()];
  await using pings = pingOn(one, await host.agent.addressOf(two), 0.02);
  await waitFor("the first ping", () => pings.answered > 0);
  await host.agent.stop();
  await etcd.forget();
  await host.agent.start();
  assertEquals((await applyOn(host.agent, intent)).code, 0);
  await waitFor("the records to be as before", async () => {
    return JSON.stringify(await host.agent.attachments()) === JSON.stringify(before);
  }, LIMITS);
  const { last } = pings;
  await waitFor("later pings", () => pings.last > last + 50, LIMITS);
  assertEquals([pings.missed(), await rowIdsOf(host)], [[], rows]);
  const log = await host.agent.logText();
  assertStringIncludes(log, "running pods are not in the store: they stay attached");
});

Deno.test("an agent that stood still for longer than the grace time does not take that for the sandbox's absence", async () => {
  await using host = await startHost(intentOf(2), "--grace", "15");
  const [peer, pod] = [await host.pod("pod0"), await host.pod("pod1")];
  await host.agent.setup(peer);
  await host.agent.setup(pod);
  await using held = await holder(pod);
  await run("ip", ["netns", "del", pod.id]);
  await waitFor("the mark", async () => {
    return (await host.agent.logText()).includes("grace period begins pod=default/pod1");
  }, LIMITS);
  freezeProcess(host.agent.pid);
  await new Promise((done) => setTimeout(done, 16_000)); // a clock that jumps, as the agent sees it
  Deno.kill(host.agent.pid, "SIGCONT");
  assertStringIncludes((await host.agent.call("get", "attachments")).out, "pod1");
  await waitFor("another look", async () => {
    await host.ovs.vsctl("set", "Bridge", "contivBridge", `external_ids:x=${crypto.randomUUID()}`);
    return (await host.agent.call("get", "attachments")).out.includes("pod1");
  });
  await run("ip", ["netns", "attach", pod.id, String(held.pid)]);
  await waitFor("the mark's end", async () => {
    return (await host.agent.logText()).includes("sandbox is back pod=default/pod1");
  }, LIMITS);
  assert(await pod.reaches("10.9.0.1"));
});
