// Agents that hold only what their hosts need of a real etcd: what they know, what they do as pods and networks come and
// go, beside an older agent, and when etcd is restarted or has forgotten old revisions.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import type { ClusterHost } from "../lab/cluster/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const NETWORKS = ["blue", "red", "far"];
const INTENT = {
  Hosts: [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: `192.168.2.${n + 9}` })),
  Tenants: [tenantWith({
    ...{ DefaultNetType: "vxlan", Vxlans: "1000-2000" },
    Networks: NETWORKS.map((name) => ({
      Name: name,
      Endpoints: [1, 2, 3].map((n) => ({ Container: `${name}${n}` })),
    })),
  })],
};
const FLAGS = ["--heartbeat", "1"];
const SCOPED = "watching only the part of the store that this host needs";
const WHOLE = "watching the whole store";

/** How often each of the two lines is in an agent's log: what it followed last is the greater change. */
async function followed({ agent }: ClusterHost): Promise<string | undefined> {
  const text = await agent.logText();
  const [scoped, whole] = [text.lastIndexOf(SCOPED), text.lastIndexOf(WHOLE)];
  return scoped === whole ? undefined : scoped > whole ? "needed" : "whole";
}

async function untilAll(cluster: Cluster, what: "needed" | "whole"): Promise<void> {
  await waitFor(`all agents to follow what is ${what}`, async () => {
    const all = await Promise.all(cluster.hosts.map(followed));
    return all.every((one) => one === what);
  });
}

async function attached(host: ClusterHost, name: string): Promise<Pod> {
  const pod = await host.pod(name);
  await host.agent.setup(pod);
  return pod;
}

/** Returns the keys in the snapshot of an agent: what it knows. */
async function knownTo({ agent }: ClusterHost): Promise<string[]> {
  const text = await Deno.readTextFile(`${agent.stateDir}/known.json`).catch(() => undefined);
  return text === undefined ? [] : Object.keys(JSON.parse(text).documents);
}

async function differences(cluster: Cluster): Promise<unknown> {
  return await cluster.host(1).agent.ask("differences");
}

Deno.test("agents know the networks of their pods, and pods of two hosts reach each other from the first ping on", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", flags: FLAGS, intent: INTENT },
  });
  await untilAll(cluster, "needed");
  const [one, two] = cluster.hosts as [ClusterHost, ClusterHost];
  const blue1 = await attached(one, "blue1");
  const blue2 = await attached(two, "blue2");
  const red1 = await attached(two, "red1");
  assert(await blue1.reaches(await two.agent.addressOf(blue2)));
  assertEquals(await blue1.pings(await two.agent.addressOf(red1)), false);
  const hasSaved = async (host: ClusterHost, key: string) => (await knownTo(host)).includes(key);
  await waitFor(
    "the snapshots",
    async () =>
      await hasSaved(one, "endpoints/t/blue/blue1") && await hasSaved(two, "endpoints/t/red/red1"),
  );
  const known = await knownTo(one);
  assertEquals(known.filter((key) => /^endpoints\/[^/]+\/(red|far)\//.test(key)), []);
  assertEquals(known.filter((key) => key.startsWith("networks/")).length, NETWORKS.length);
  assertEquals((await one.agent.ask<unknown[]>("endpoints")).length, 9);
  assertEquals(await differences(cluster), []);
});

Deno.test("an older agent beside them makes all agents follow the whole store, until it is gone; pods stay connected", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", flags: FLAGS, intent: INTENT },
  });
  await untilAll(cluster, "needed");
  const [one, two] = cluster.hosts as [ClusterHost, ClusterHost];
  const [blue1, blue2] = [await attached(one, "blue1"), await attached(two, "blue2")];
  const address = await two.agent.addressOf(blue2);
  const beat = (n: number) =>
    cluster.etcd!.ctl(
      "put",
      "/lab/agents/older",
      JSON.stringify({
        ...{ schema: 1, host: "older", instance: "0123456789abcdef", version: "0.1.0", beat: n },
        ...{ reads: 2, everyMs: 1_000 },
      }),
    );
  let beats = 0;
  const timer = setInterval(() => void beat(++beats), 500);
  try {
    await untilAll(cluster, "whole");
    assert(await blue1.reaches(address));
    await attached(one, "red1");
  } finally {
    clearInterval(timer);
  }
  await untilAll(cluster, "needed");
  assert(await blue1.reaches(address));
  assertEquals(await differences(cluster), []);
});

Deno.test("what changes while etcd is away or compacts is known afterwards; agents that start anew know what they need", async () => {
  await using cluster = await startCluster({
    ...{ hosts: 2, fabric: "wire", flags: FLAGS, intent: INTENT },
  });
  await untilAll(cluster, "needed");
  const [one, two] = cluster.hosts as [ClusterHost, ClusterHost];
  const blue1 = await attached(one, "blue1");
  await cluster.etcd!.restart();
  const blue2 = await attached(two, "blue2");
  assert(await blue1.reaches(await two.agent.addressOf(blue2)));
  const { header } = JSON.parse(await cluster.etcd!.ctl("get", "none", "-w", "json"));
  await cluster.etcd!.ctl("compact", String(header.revision));
  const blue3 = await attached(two, "blue3");
  assert(await blue1.reaches(await two.agent.addressOf(blue3)));
  await one.restartAgent("SIGKILL");
  assertStringIncludes((await one.agent.logText()).slice(-3_000), SCOPED);
  assert(await blue1.reaches(await two.agent.addressOf(blue3)));
  await two.agent.verb("teardown", blue3);
  assertEquals(await differences(cluster), []);
});
