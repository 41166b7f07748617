// Faults of the original on the way between hosts, by their numbers: each test fails on what it did.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { intents } from "../fixtures/intents.ts";
import { startCluster } from "../lab/cluster.ts";
import type { ClusterHost } from "../lab/cluster/host.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { linksAtRest } from "../lab/host.ts";
import { deltaOf, intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

/** Returns what a host's tunnel bridge is made of: ports, and flows without their counters. */
async function tunnelOf({ ovs }: ClusterHost): Promise<string[]> {
  const ports = await ovs.vsctl("list-ports", "contivTunnel");
  const flows = await ovs.ofctl("dump-flows", "contivTunnel", "-OOpenFlow13", "--no-stats");
  return [...ports.split("\n"), ...flows.split("\n").map((line) => line.trim())].sort();
}

const VTEPS = [1, 2].map((n) => ({ Name: `host${n}`, VtepIp: `192.168.2.${n + 9}` }));

Deno.test("a deleted network leaves no port and no flow on the tunnel bridge, a deleted host none either", async () => {
  const empty = intentOf("vteps", {}) as object;
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent: empty });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  await waitFor("the tunnel bridge to know host2", async () => {
    return `${await tunnelOf(one).catch(() => "")}`.includes(two.vtep);
  });
  const before = await tunnelOf(one);
  await cluster.apply(deltaOf({ orange: ["c1", "c2"] }));
  const [a, b] = [await one.pod("myContainer1"), await two.pod("myContainer2")];
  await one.agent.setup(a);
  await two.agent.setup(b);
  assert(await a.reaches(await two.agent.addressOf(b)));
  assertNotEquals(await tunnelOf(one), before);
  await one.agent.verb("teardown", a);
  await two.agent.verb("teardown", b);
  await cluster.apply(deltaOf({ orange: ["c1", "c2"] }), "-del-cfg");
  await cluster.apply(deltaOf({ orange: [] }), "-del-cfg");
  await waitFor(
    "the tunnel bridge to be as before",
    async () => `${await tunnelOf(one)}` === `${before}`,
  );
  await cluster.apply({ Hosts: VTEPS.slice(1) }, "-del-cfg");
  await waitFor("nothing to name host2", async () => !`${await tunnelOf(one)}`.includes(two.vtep));
});

Deno.test("frames of a VLAN network leave by the uplink alone, and arrive once", async () => {
  const options = { hosts: 2, fabric: "both", intent: JSON.parse(intents.mixedTenants) } as const;
  await using cluster = await startCluster(options);
  const [one, two] = [cluster.host(1), cluster.host(2)];
  // The original's loop came with the second time that the file was applied.
  await cluster.apply(intents.mixedTenants, "-cfg");
  const [c1, c3] = [await one.pod("myContainer1"), await two.pod("myContainer3")];
  await one.agent.setup(c1);
  await two.agent.setup(c3);
  await using tunnel = await sniff(two.netns, "eth1", "udp port 4789");
  await using sent = await sniff(c3.id, "eth0", "arp");
  await using arrived = await sniff(c1.id, "eth0", "arp");
  const silent = (await one.agent.addressOf(c1)).replace(/\d+$/, "250");
  await c3.run("ping", "-c1", "-W1", "-q", silent);
  await arrived.hears(`who-has ${silent}`);
  assert(await c3.reaches(await one.agent.addressOf(c1)));
  const asking = (lines: readonly string[]) =>
    lines.filter((line) => line.includes(`who-has ${silent}`)).length;
  await waitFor("what was asked to arrive", () => asking(arrived.lines()) >= asking(sent.lines()));
  assertEquals(asking(arrived.lines()), asking(sent.lines()), arrived.lines().join("\n"));
  assertEquals(tunnel.lines(), []);
});

const WIRES = [{ wire: 1500, pod: 1450 }, { wire: 1600, pod: 1550 }];

for (const { wire, pod: wanted } of WIRES) {
  Deno.test(`on a wire of ${wire} bytes a VXLAN's pod has an MTU of ${wanted}`, async () => {
    const intent = intentOf("vteps", { orange: ["c1"] });
    await using cluster = await startCluster({
      ...{ hosts: 1, fabric: "wire", etcd: 0, mtu: wire, intent },
    });
    const host = cluster.host(1);
    const pod = await host.pod("myContainer1");
    await host.agent.setup(pod);
    assertStringIncludes((await pod.run("ip", "link", "show", "eth0")).text, `mtu ${wanted} `);
  });
}

Deno.test("the largest packet that a VXLAN's pod may send passes whole, one byte more does not", async () => {
  const intent = intentOf("vteps", { orange: ["c1", "c2"] });
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const [a, b] = [await one.pod("myContainer1"), await two.pod("myContainer2")];
  await one.agent.setup(a);
  await two.agent.setup(b);
  const address = await two.agent.addressOf(b);
  // 1450 less 20 bytes of IP and 8 of ICMP.
  const ping = (bytes: number) => a.run("ping", "-c1", "-W2", "-Mdo", `-s${bytes}`, address);
  assert(await a.reaches(address));
  await linksAtRest(cluster.hosts);
  assertEquals((await ping(1422)).code, 0);
  assertNotEquals((await ping(1423)).code, 0);
});

Deno.test("names of tunnel ports fit the kernel and differ by host", async () => {
  const intent = intentOf("vteps", { orange: ["c1"] });
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent });
  for (const host of cluster.hosts) {
    const listed = await waitFor("the tunnel bridge", () => {
      return host.ovs.vsctl("list-ports", "contivTunnel").catch(() => undefined);
    });
    const names = listed.split("\n");
    assert(names.every((name) => name.length > 0 && name.length <= 15), names.join());
    assertEquals(new Set(names).size, names.length);
  }
});

/** Two tenants on the same subnet, whose endpoints differ by their MACs. */
const OVERLAPPING = {
  Hosts: VTEPS,
  Tenants: ["one", "two"].map((tenant, t) => ({
    Name: tenant,
    DefaultNetType: "vxlan",
    SubnetPool: "11.1.0.0/16",
    AllocSubnetLen: 24,
    Vxlans: `${10_001 + 5_000 * t}-${12_000 + 5_000 * t}`,
    Networks: [{
      Name: "net",
      Endpoints: [1, 2].map((n) => ({
        Container: `${tenant}${n}`,
        Mac: `02:00:00:00:0${t + 1}:0${n}`,
      })),
    }],
  })),
};

Deno.test("two tenants on one subnet across two hosts: at the same time each is answered by its own", async () => {
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent: OVERLAPPING });
  const pods = await Promise.all(["one1", "two1", "one2", "two2"].map(async (name) => {
    const host = cluster.host(Number(name.at(-1)));
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    return { pod, host };
  }));
  await linksAtRest(cluster.hosts);
  const answers = await Promise.all(pods.map(async ({ pod, host }) => {
    const own = await host.agent.addressOf(pod);
    const peer = own.endsWith(".1") ? own.replace(/1$/, "2") : own.replace(/2$/, "1");
    const lost = await lostPings(pod, peer, { count: 40, everySeconds: 0.05 });
    const { text: neighbour } = await pod.run("ip", "neigh", "show", peer);
    return { name: pod.name, lost, mac: /lladdr (\S+)/.exec(neighbour)?.[1] };
  }));
  for (const { name, lost, mac } of answers) {
    const tenant = name.startsWith("one") ? 1 : 2;
    const peer = name.endsWith("1") ? 2 : 1;
    assertEquals(mac, `02:00:00:00:0${tenant}:0${peer}`, name);
    assertEquals(lost, [], name);
  }
});
