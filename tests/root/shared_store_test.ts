// Agents and the etcd that they share: away at the start, in the middle, and two agents of one name.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { LabAgent } from "../lab/agent.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { FILE, linksAtRest, tunnelAnswers } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

const BEAT = ["--heartbeat", "1"];
const INTENT = intentOf("vteps", { orange: ["c1", "c2", "c3"] });

Deno.test("an agent that starts while etcd is unreachable serves what it knew, and joins when etcd is back", async () => {
  await using cluster = await startCluster({ hosts: 1, fabric: "wire", intent: INTENT });
  const [host, etcd] = [cluster.host(1), cluster.etcd!];
  const [one, two, three] = await Promise.all([1, 2, 3].map((n) => host.pod(`myContainer${n}`)));
  await host.agent.setup(one!);
  await host.agent.setup(two!);
  await host.agent.stop();
  await etcd.kill();
  await host.agent.start();
  assertStringIncludes(await host.agent.logText(), "store unreachable, serving what is known");
  const status = await host.agent.verb("status", one!);
  assertEquals(JSON.parse(status.out).ip, await host.agent.addressOf(one!));
  assert(await one!.reaches(await host.agent.addressOf(two!)));
  // What needs a claim waits for etcd, and is done when it is there.
  const pending = host.agent.verb("setup", three!);
  await etcd.start(0);
  assertEquals((await pending).code, 0);
  await waitFor("the agent to join", async () => {
    return (await host.agent.logText()).includes("store joined");
  });
  assertEquals((await host.agent.attachments()).map((item) => item.state), [
    "ready",
    "ready",
    "ready",
  ]);
  assert(await three!.reaches(await host.agent.addressOf(one!)));
});

Deno.test("STATUS while etcd is unreachable: good where the records of before are known, 50 with the reason where none are", async () => {
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent: INTENT });
  const [known, blank] = [cluster.host(1), cluster.host(2)];
  const statusOf = async ({ socket }: LabAgent) => {
    const { code, json } = await new LabCniRuntime({ file: FILE, socket }).ofNetwork("STATUS");
    return code === 0 ? "ready" : `${json.code} ${json.msg}`;
  };
  const becomes = (agent: LabAgent, wanted: string) =>
    waitFor(`STATUS to be: ${wanted}`, async () => await statusOf(agent) === wanted);
  await Promise.all(cluster.hosts.map(({ agent }) => becomes(agent, "ready")));
  await known.agent.setup(await known.pod("myContainer1"));
  await Promise.all(cluster.hosts.map(({ agent }) => agent.stop()));
  await cluster.etcd!.kill();
  await Deno.remove(blank.agent.stateDir, { recursive: true });
  await Promise.all(cluster.hosts.map(({ agent }) => agent.start()));
  await becomes(known.agent, "ready");
  await becomes(blank.agent, "50 the store is unreachable");
  // A pod that an endpoint of this host names is set up meanwhile, as its containers are replaced.
  await known.agent.setup(await known.pod("myContainer1"));
  await cluster.etcd!.start(0);
  await becomes(blank.agent, "ready");
});

/** An agent on host 2 that takes itself for host 1. */
function impostor(cluster: Cluster, ...more: string[]): LabAgent {
  const { netns, ovs, dir } = cluster.host(2);
  const flags = ["--store", cluster.etcd!.url("/lab"), ...BEAT, ...more];
  return new LabAgent({
    file: FILE,
    dir: `${dir}/impostor`,
    ovs,
    netns,
    hostLabel: "host1",
    flags,
  });
}

Deno.test("a host label belongs to one agent: a second is refused while the first lives, and after it unless --take-over is given", async () => {
  await using cluster = await startCluster({ hosts: 2, flags: BEAT });
  const first = cluster.host(1).agent;
  await cluster.host(2).agent.stop();
  for (const words of [[], ["--take-over"]]) {
    const second = impostor(cluster, ...words);
    second.spawn();
    assertEquals(await second.stopped(), 4);
    assertMatch(
      await second.logText(),
      /host label host1 is in use: [^\n]+; start this agent with another --host-label/,
    );
  }
  await first.stop("SIGKILL");
  const timid = impostor(cluster);
  timid.spawn();
  assertEquals(await timid.stopped(), 4);
  assertMatch(
    await timid.logText(),
    /host label host1 belongs to another state folder: [^\n]+--take-over/,
  );
  await using heir = impostor(cluster, "--take-over");
  await heir.start();
  // The first one comes back and finds that its label has gone.
  first.spawn();
  assertEquals(await first.stopped(), 4);
});

Deno.test("etcd unreachable for a while costs connected pods nothing, and what was asked meanwhile is done after", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2", "c3"] }, 3);
  await using cluster = await startCluster({ hosts: 3, fabric: "wire", intent });
  const [h1, h2, h3] = [cluster.host(1), cluster.host(2), cluster.host(3)];
  const etcd = cluster.etcd!;
  const [one, two, three] = [
    await h1.pod("myContainer1"),
    await h2.pod("myContainer2"),
    // Not where packets are counted: the userspace datapath reads all routes anew when any link of the
    // host comes, and may drop a tunnel's packet meanwhile (Open vSwitch 3.1: 6 to 15 of 1,200 while
    // 40 pairs of links came and went by hand).
    await h3.pod("myContainer3"),
  ];
  await h1.agent.setup(one);
  await h2.agent.setup(two);
  const address = await h2.agent.addressOf(two);
  await waitFor("host 1 to know the way", () => one.pings(address));
  await linksAtRest([h1, h2]);
  const pinging = lostPings(one, address, { count: 200 });
  await etcd.kill();
  const pending = h3.agent.verb("setup", three);
  assertEquals((await h1.agent.verb("status", one)).code, 0);
  await etcd.start(0);
  assertEquals((await pending).code, 0);
  assertEquals(await pinging, []);
  const target = await h1.agent.addressOf(one);
  await waitFor("host 1 to hear of it", () => three.pings(target));
});

Deno.test("while etcd is unreachable, a pod is set up if its endpoint is this host's, no other, and etcd is updated later", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", intent: INTENT, flags: BEAT },
  });
  const [h1, h2, etcd] = [cluster.host(1), cluster.host(2), cluster.etcd!];
  const [old, peer] = [await h1.pod("myContainer1"), await h2.pod("myContainer2")];
  await h1.agent.setup(old);
  await h2.agent.setup(peer);
  // Host 1 has heard of host 2's pod; what it has not heard before, it cannot know.
  const peerAddress = await h2.agent.addressOf(peer);
  await waitFor("host 1 to know the way", () => old.reaches(peerAddress));
  await etcd.kill();
  // Its container is replaced, as kubelets do it; and one that was torn down comes back.
  const fresh = await h1.pod("myContainer1");
  assertEquals(await h1.agent.verb("setup", fresh), { code: 0, out: "", err: "" });
  await tunnelAnswers(fresh, peerAddress);
  assertEquals(await h2.agent.verb("teardown", peer), { code: 0, out: "", err: "" });
  const again = await h2.pod("myContainer2");
  assertEquals(await h2.agent.verb("setup", again), { code: 0, out: "", err: "" });
  // The third is not bound: on which host it belongs cannot be known now.
  const unknown = await h2.agent.callWith(
    { K8CONTIVNET_SETUP_SECONDS: "2", K8CONTIVNET_DOOR: "none" },
    ...["setup", "default", "myContainer3", (await h2.pod("myContainer3")).id],
  );
  assertEquals(unknown.code, 5, unknown.err);
  await etcd.start(0);
  for (const { agent } of [h1, h2]) {
    await waitFor(
      "the record in etcd",
      async () => (await agent.logText()).includes("replayed set-ups"),
    );
  }
  const listed = await etcd.ctl("get", "--prefix", "--keys-only", "/lab/attachments/");
  const keys = listed.split("\n").filter(Boolean).map((key) =>
    key.slice("/lab/attachments/".length)
  );
  assertEquals(keys.sort(), [`host1/${fresh.id}/eth0`, `host2/${again.id}/eth0`]);
  await tunnelAnswers(again, await h1.agent.addressOf(fresh));
});

Deno.test("two hosts that set one pod up while etcd is unreachable never share its address", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", intent: INTENT, flags: BEAT },
  });
  const [h1, h2, etcd] = [cluster.host(1), cluster.host(2), cluster.etcd!];
  await h1.agent.setup(await h1.pod("myContainer1"));
  await etcd.kill();
  const [here, there] = [await h1.pod("myContainer1"), await h2.pod("myContainer1")];
  assertEquals((await h1.agent.verb("setup", here)).code, 0);
  // Bound to host 1 as far as is known: host 2 waits.
  const waiting = h2.agent.verb("setup", there);
  await etcd.start(0);
  assertEquals((await waiting).code, 0);
  await waitFor("host 1 to yield", async () => (await h1.agent.attachments()).length === 0);
  assertEquals((await h2.agent.attachments()).map((item) => item.sandbox), [there.id]);
  await waitFor("its old pod's interface to go", async () => {
    return (await here.run("ip", "link", "show", "eth0")).code !== 0;
  });
});
