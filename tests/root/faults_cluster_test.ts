// Faults of the original in what hosts agree on, by their numbers: each test fails on what it did.

import { assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import type { ClusterHost } from "../lab/cluster/host.ts";
import { deltaOf, intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";

// What hosts agree on does not depend on where they keep it: one file shows it without etcd.
const STORES = [{ etcd: 0, store: "one file" }, { etcd: 1, store: "etcd" }] as const;

const LATE = intentOf("alone", { orange: ["c1", "c2"] });

/** Returns when `host` has no port, link or record of a pod. */
async function keepsNothing({ netns, ovs, agent, label }: ClusterHost): Promise<void> {
  await waitFor(`${label} to keep nothing`, async () => {
    const links = await run("ip", ["-n", netns, "-br", "link"]);
    const ports = await ovs.vsctl("--columns=external_ids", "--format=csv", "list", "Port");
    return !/^cv/m.test(links) && !ports.includes("sandbox") &&
      (await agent.attachments()).length === 0;
  });
}

/** Returns every attachment of the cluster. */
async function attachmentsOf({ hosts }: Cluster) {
  return (await Promise.all(hosts.map(({ agent }) => agent.attachments()))).flat();
}

for (const { etcd, store } of STORES) {
  Deno.test(`a pod that moves to another host keeps its address, and the old host keeps nothing (${store})`, async () => {
    await using cluster = await startCluster({ hosts: 2, etcd, intent: LATE });
    const [one, two] = [cluster.host(1), cluster.host(2)];
    const old = await one.pod("myContainer1");
    await one.agent.setup(old);
    const address = await one.agent.addressOf(old);
    const moved = await two.pod("myContainer1");
    await two.agent.setup(moved);
    assertEquals(await two.agent.addressOf(moved), address);
    await keepsNothing(one);
    // The old infra container's late teardown does not touch the new one.
    assertEquals((await one.agent.verb("teardown", old)).code, 0);
    assertEquals((await attachmentsOf(cluster)).map(({ host, state }) => [host, state]), [
      ["host2", "ready"],
    ]);
  });

  Deno.test(`a pinned pod is refused elsewhere, and a pin that moves is followed (${store})`, async () => {
    await using cluster = await startCluster({ hosts: 2, etcd, intent: LATE });
    const [one, two] = [cluster.host(1), cluster.host(2)];
    const pod = await one.pod("myContainer1");
    await one.agent.setup(pod);
    const address = await one.agent.addressOf(pod);
    await cluster.apply([{ Container: "myContainer1", Host: "host2" }], "-host-bindings-cfg");
    const { code, err } = await one.agent.verb("setup", await one.pod("myContainer1"));
    assertEquals(code, 4, err);
    assertStringIncludes(err, "host2");
    const moved = await two.pod("myContainer1");
    await two.agent.setup(moved);
    assertEquals(await two.agent.addressOf(moved), address);
    await keepsNothing(one);
  });

  Deno.test(`what was applied while an agent was stopped, or was starting, is known to it (${store})`, async () => {
    await using cluster = await startCluster({ hosts: 2, etcd, intent: LATE });
    const two = cluster.host(2);
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
      const stopped = two.agent.stop(signal);
      await post(cluster, `${signal}-gone-${await stopped}`, 3);
      const starting = two.agent.start();
      await post(cluster, `${signal}-starting`, 3);
      await starting;
      await post(cluster, `${signal}-up`, 3);
    }
    await cluster.agree();
  });

  Deno.test(`agents of four hosts that are asked at once assign no address, VLAN or subnet twice (${store})`, async () => {
    await using cluster = await startCluster({ hosts: 4, etcd, intent: intentOf("alone", {}) });
    const posts = [1, 2, 3, 4].flatMap((on) =>
      [0, 1].map((half) => {
        const pods = (net: string) => [0, 1, 2].map((n) => `${net}-${on}${half}${n}`);
        const delta = deltaOf({ shared: pods("s"), [`own${on}${half}`]: pods("o") });
        return cluster.post(delta, { on });
      })
    );
    for (const { code, err } of await Promise.all(posts)) assertEquals(code, 0, err);
    await cluster.agree();
    const list = async (kind: string) =>
      JSON.parse((await cluster.host(1).agent.call("get", kind, "-o", "json")).out);
    const networks = await list("networks") as { tag: number; subnet: string }[];
    assertEquals(new Set(networks.map(({ tag }) => tag)).size, 9);
    assertEquals(new Set(networks.map(({ subnet }) => subnet)).size, 9);
    const endpoints = await list("endpoints") as { network: string; address: string }[];
    assertEquals(new Set(endpoints.map(({ address }) => address)).size, 48);
  });
}

/** Applies `count` documents one after the other, each with an endpoint of its own. */
async function post(cluster: Cluster, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const { code, err } = await cluster.post(deltaOf({ orange: [`${name.toLowerCase()}-${n}`] }));
    assertEquals(code, 0, err);
  }
}

Deno.test("a pod that starts on one host just after its endpoint was applied on another is connected", async () => {
  await using cluster = await startCluster({ hosts: 2, intent: LATE });
  const two = cluster.host(2);
  for (const name of ["c3", "c4", "c5"]) {
    const pod = await two.pod(`pod-${name}`);
    assertEquals((await cluster.post(deltaOf({ orange: [pod.name] }))).code, 0);
    await two.agent.setup(pod);
    const items = await two.agent.attachments();
    assertEquals(items.find(({ sandbox }) => sandbox === pod.id)?.state, "ready");
  }
});

Deno.test("agents outlive restarts of etcd, of one member and of all", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 3, intent: LATE });
  const pids = cluster.hosts.map(({ agent }) => agent.pid);
  for (const member of [0, 1, 2]) await cluster.etcd!.restart(member);
  for (const member of [0, 1, 2]) await cluster.etcd!.kill(member);
  await cluster.etcd!.startAll();
  await cluster.apply(deltaOf({ orange: ["c5"] }));
  const two = cluster.host(2);
  await two.agent.setup(await two.pod("myContainer5"));
  assertEquals(cluster.hosts.map(({ agent }) => agent.pid), pids);
});

Deno.test("agents outlive keys that they do not know, and a record that cannot be read is named", async () => {
  await using cluster = await startCluster({ hosts: 2, intent: LATE });
  const pids = cluster.hosts.map(({ agent }) => agent.pid);
  for (const key of ["config/", "config/eps/below/it", "x"]) {
    await cluster.etcd!.ctl("put", `/lab/${key}`, "no JSON");
  }
  await cluster.apply(deltaOf({ orange: ["c5"] }));
  await cluster.etcd!.ctl("put", "/lab/hosts/odd", "no JSON");
  const two = cluster.host(2);
  await two.agent.setup(await two.pod("myContainer5"));
  // It concerns no other record: all goes on, and it is reported and left alone.
  await cluster.apply(deltaOf({ orange: ["c6"] }));
  const { code, out } = await two.agent.call("ipam", "check");
  assertNotEquals(code, 0);
  assertStringIncludes(out, "hosts/odd");
  assertStringIncludes((await two.agent.call("status")).err, "hosts/odd");
  assertStringIncludes(await two.agent.logText(), "hosts/odd");
  assertEquals((await cluster.etcd!.read("/lab/hosts/odd")).get("/lab/hosts/odd"), "no JSON");
  assertEquals(cluster.hosts.map(({ agent }) => agent.pid), pids);
});
