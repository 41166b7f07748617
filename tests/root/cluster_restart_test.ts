// Restarts under traffic between two hosts: what is connected loses nothing, what is separate never
// meets, not for a moment.

import { assertEquals, assertMatch } from "@std/assert";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import type { Fabric } from "../lab/cluster/fabric.ts";
import { linksAtRest } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { intentOf, type Joined } from "../lab/scenarios/scenario.ts";
import { lostPings } from "../lab/pings.ts";

const NETS = { orange: ["c1@1", "c2@2"], purple: ["c3@1", "c4@2"] };

// 50 a second: a gap of 20 ms in the way between the hosts is a lost packet.
const FLOOD = { count: 300, everySeconds: 0.02 };

// As long as that: without answers a count alone does not end ping.
const VAIN_FLOOD = ["-q", "-i0.02", "-w6"];

const WAYS: readonly { fabric: Fabric; joined: Joined }[] = [
  { fabric: "vlan-switch", joined: "uplinks" },
  { fabric: "wire", joined: "vteps" },
];

const RESTARTS: readonly { name: string; restart: (cluster: Cluster) => Promise<void> }[] = [
  {
    name: "kill -9 of both agents",
    restart: async ({ hosts }) => {
      for (const host of hosts) await host.restartAgent("SIGKILL");
    },
  },
  {
    name: "an ordered restart of both agents",
    restart: async ({ hosts }) => {
      for (const host of hosts) await host.restartAgent();
    },
  },
  { name: "a restart of etcd", restart: ({ etcd }) => etcd!.restart() },
];

/** Sets up myContainer`number` on its host. */
async function setUp(cluster: Cluster, number: number): Promise<{ pod: Pod; address: string }> {
  const { agent, pod } = cluster.host(number % 2 === 1 ? 1 : 2);
  const made = await pod(`myContainer${number}`);
  await agent.setup(made);
  return { pod: made, address: await agent.addressOf(made) };
}

for (const { fabric, joined } of WAYS) {
  for (const { name, restart } of RESTARTS) {
    Deno.test(`${name} loses no packet between hosts and lets none through (${fabric})`, async () => {
      await using cluster = await startCluster({
        hosts: 2,
        fabric,
        intent: intentOf(joined, NETS),
      });
      const [c1, c2, c4] = [
        await setUp(cluster, 1),
        await setUp(cluster, 2),
        await setUp(cluster, 4),
      ];
      // Both ways: the switches alone keep them apart.
      await c1.pod.run("ip", "route", "add", `${c4.address}/32`, "dev", "eth0");
      await c4.pod.run("ip", "route", "add", `${c1.address}/32`, "dev", "eth0");
      await linksAtRest(cluster.hosts);
      const allowed = lostPings(c1.pod, c2.address, FLOOD);
      const forbidden = c1.pod.run("ping", ...VAIN_FLOOD, c4.address);
      await restart(cluster);
      assertEquals(await allowed, []);
      assertMatch((await forbidden).text, / 0 received/);
    });
  }
}
