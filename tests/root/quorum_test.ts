// Agents on an etcd of three members: one of them away, two of them away, and back again.

import { assertEquals, assertStringIncludes } from "@std/assert";
import type { LabAgent } from "../lab/agent.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import type { Etcd } from "../lab/etcd.ts";
import { linksAtRest, tunnelAnswers } from "../lab/host.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";
import { pingOn, type Pings } from "../lab/pings.ts";

const INTENT = intentOf("vteps", { orange: ["c1", "c2", "c3", "c4", "c5"] });

const start = () =>
  startCluster({
    ...{ hosts: 2, fabric: "wire", etcd: 3, intent: INTENT },
    flags: ["--heartbeat", "1"],
  });

async function statusOf(agent: LabAgent) {
  const { code, out, err } = await agent.call("status", "-o", "json");
  assertEquals(code, 0, err);
  return JSON.parse(out) as { readonly storeAway?: string; readonly held: number };
}

/** Returns the attachments' keys that etcd has, without their prefix. */
async function attachmentKeys(etcd: Etcd): Promise<string[]> {
  const text = await etcd.ctl("get", "--prefix", "--keys-only", "/lab/attachments/");
  return text.split("\n").filter(Boolean).map((key) => key.slice("/lab/attachments/".length))
    .sort();
}

async function assertWhole(cluster: Cluster): Promise<void> {
  const checked = await cluster.host(1).agent.call("ipam", "check");
  assertEquals(checked.code, 0, checked.out + checked.err);
}

Deno.test("one of three members down, whichever it is: set-ups, applies and peers go on", async () => {
  await using cluster = await start();
  const [h1, h2, etcd] = [cluster.host(1), cluster.host(2), cluster.etcd!];
  for (const member of [0, 1, 2]) {
    await etcd.kill(member);
    const [one, two] = [await h1.pod("myContainer1"), await h2.pod("myContainer2")];
    await h1.agent.setup(one);
    await h2.agent.setup(two);
    // A watch of the lost member begins anew at another, after the election: until then a host does not know its
    // peers' new pods, and what they answer may be lost.
    const address = await h2.agent.addressOf(two);
    await waitFor(`an answer without member ${member}`, () => one.pings(address));
    const more = { [`net${member}`]: [`c${member + 6}`] };
    await cluster.apply(intentOf("vteps", more));
    for (const { agent } of [h1, h2]) assertEquals((await statusOf(agent)).storeAway, undefined);
    assertEquals((await h1.agent.verb("teardown", one)).code, 0);
    assertEquals((await h2.agent.verb("teardown", two)).code, 0);
    await etcd.start(member);
    await etcd.isHealthy();
  }
  assertEquals(await attachmentKeys(etcd), []);
  await assertWhole(cluster);
});

Deno.test("without a majority agents serve what they know, say so, and write it back once it is there", async () => {
  await using cluster = await start();
  const [h1, h2, etcd] = [cluster.host(1), cluster.host(2), cluster.etcd!];
  const [old, peer] = [await h1.pod("myContainer1"), await h2.pod("myContainer2")];
  const [calm, near] = [await h1.pod("myContainer4"), await h1.pod("myContainer5")];
  for (const pod of [old, calm, near]) await h1.agent.setup(pod);
  await h2.agent.setup(peer);
  const peerAddress = await h2.agent.addressOf(peer);
  // What host 1 has not heard of before, it cannot know.
  await waitFor("host 1 to know the way", () => calm.pings(peerAddress));
  await linksAtRest([h1, h2]);
  await using onHost = pingOn(calm, await h1.agent.addressOf(near), 0.05);
  {
    await using between = pingOn(calm, peerAddress, 0.05);
    await majorityLost(cluster);
    await majorityBack(cluster);
    await answeredOnceMore(between);
    assertEquals(between.missed(), []);
  }
  await majorityLost(cluster);
  assertStringIncludes((await h1.agent.call("status")).out, "unreachable: ");
  assertEquals(JSON.parse((await h1.agent.verb("status", old)).out).ip, "11.1.0.1");
  // Its container is replaced: the endpoint is bound here, so its set-up needs no etcd.
  const fresh = await h1.pod("myContainer1");
  assertEquals(await h1.agent.verb("setup", fresh), { code: 0, out: "", err: "" });
  await tunnelAnswers(fresh, peerAddress);
  assertEquals((await statusOf(h1.agent)).held, 1);
  // This one is not bound yet: it waits for etcd, and is done when it is there.
  const waiting = h2.agent.verb("setup", await h2.pod("myContainer3"));
  await majorityBack(cluster);
  assertEquals(await waiting, { code: 0, out: "", err: "" });
  const keys = await attachmentKeys(etcd);
  assertEquals(
    keys.filter((key) => key.startsWith("host1/")),
    [calm, near, fresh].map(({ id }) => `host1/${id}/eth0`).sort(),
  );
  assertEquals(keys.filter((key) => key.startsWith("host2/")).length, 2);
  await answeredOnceMore(onHost);
  assertEquals(onHost.missed(), []);
  await assertWhole(cluster);
});

/** Kills two of etcd's members, and waits until both agents say so. */
async function majorityLost({ hosts, etcd }: Cluster): Promise<void> {
  await etcd!.kill(1);
  await etcd!.kill(2);
  for (const { agent } of hosts) {
    await waitFor("the agent to notice", async () => (await statusOf(agent)).storeAway, {
      limitMs: 30_000,
    });
    assertStringIncludes(await agent.logText(), "store unreachable, serving what is known");
  }
}

/** Starts them again, and waits until both agents have written what they held back. */
async function majorityBack({ hosts, etcd }: Cluster): Promise<void> {
  await Promise.all([etcd!.start(1), etcd!.start(2)]);
  await etcd!.isHealthy();
  for (const { agent } of hosts) {
    await waitFor("the agent to be well", async () => {
      const { storeAway, held } = await statusOf(agent);
      return storeAway === undefined && held === 0;
    }, { limitMs: 30_000 });
    assertStringIncludes(await agent.logText(), "store reachable again");
  }
}

async function answeredOnceMore(pings: Pings): Promise<void> {
  const { last } = pings;
  await waitFor("one more answer", () => pings.last > last);
}
