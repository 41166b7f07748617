// What `plan` says of running pods, compared with what they feel when it is applied: on two hosts, with VLAN and VXLAN.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { PlanAnswer } from "../../lib/agent/api/intent_requests.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { VLAN_SWITCH } from "../lab/cluster/fabric.ts";
import { UNDERLAY, vtepOf } from "../lab/cluster/host.ts";
import { pingOn } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const EVERY_S = 0.02;
// Open vSwitch may lose tunnelled packets while it adds a port in the userspace datapath (see the README).
const OF_A_PORT_S = 0.2;
const OTHER_VTEP = "192.168.2.110";

/** Two networks, a VLAN and a VXLAN, with a pod of each on both hosts. */
const intentOf = (first: object, web = "host1") => ({
  Hosts: [
    { Name: "host1", Intf: "eth2", VtepIp: vtepOf(1), ...first },
    { Name: "host2", Intf: "eth2", VtepIp: vtepOf(2) },
  ],
  Tenants: [{
    ...{ Name: "t", DefaultNetType: "vlan", SubnetPool: "10.9.0.0/16", AllocSubnetLen: 24 },
    ...{ Vlans: "100-200", Vxlans: "5000-5100" },
    Networks: [
      { Name: "vlan", PktTagType: "vlan", Endpoints: [{ Container: "a1" }, { Container: "a2" }] },
      { Name: "vxlan", PktTagType: "vxlan", Endpoints: [{ Container: "b1" }, { Container: "b2" }] },
      { Name: "moved", PktTagType: "vlan", Endpoints: [{ Container: "web", Host: web }] },
    ],
  }],
});

interface World {
  readonly cluster: Cluster;
  readonly pods: Readonly<Record<"a1" | "a2" | "b1" | "b2" | "web", Pod>>;
}

async function startWorld(stack: AsyncDisposableStack): Promise<World> {
  const intent = intentOf({});
  const cluster = stack.use(await startCluster({ hosts: 2, fabric: "both", etcd: 0, intent }));
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const pods = {
    ...{ a1: await one.pod("a1"), b1: await one.pod("b1"), web: await one.pod("web") },
    ...{ a2: await two.pod("a2"), b2: await two.pod("b2") },
  };
  for (const name of ["a1", "b1", "web"] as const) await one.agent.setup(pods[name]);
  for (const name of ["a2", "b2"] as const) await two.agent.setup(pods[name]);
  // A second cable to the switch, and a second address on the wire.
  const pair = ["type", "veth", "peer", "name", "eth3", "netns", one.netns];
  await run("ip", ["-n", VLAN_SWITCH, "link", "add", "more1", ...pair]);
  await run("ip", ["-n", VLAN_SWITCH, "link", "set", "more1", "up"]);
  await run("ip", ["-n", one.netns, "link", "set", "eth3", "up"]);
  await cluster.fabrics.vlanSwitch?.vsctl("add-port", VLAN_SWITCH, "more1");
  await run("ip", ["-n", one.netns, "address", "add", `${OTHER_VTEP}/24`, "dev", UNDERLAY]);
  return { cluster, pods };
}

/** Plans and applies an intent with pings across both networks; returns the plan, and the seconds lost in each. */
async function change({ cluster, pods }: World, intent: object) {
  const { agent } = cluster.host(1);
  const file = `${cluster.dir}/next.json`;
  await Deno.writeTextFile(file, JSON.stringify(intent));
  const [vlan, vxlan] = [
    await cluster.host(2).agent.addressOf(pods.a2),
    await cluster.host(2).agent.addressOf(pods.b2),
  ];
  await using onVlan = pingOn(pods.a1, vlan, EVERY_S);
  await using onVxlan = pingOn(pods.b1, vxlan, EVERY_S);
  const both = [onVlan, onVxlan];
  const goOn = async (what: string) => {
    const from = both.map(({ answered }) => answered);
    await waitFor(what, () => both.every((one, at) => one.answered > from[at]! + 50), {
      limitMs: 30_000,
    });
  };
  await goOn("pings before");
  const planned = await agent.call("plan", "-f", file, "-o", "json");
  const plan: PlanAnswer = JSON.parse(planned.out);
  const table = (await agent.call("plan", "-f", file)).out;
  assertEquals((await agent.call("apply", "-f", file, "-q")).code, 0, planned.err);
  await goOn("pings after");
  const lost = both.map((one) => one.missed().length * EVERY_S);
  return { plan, table, lost: { vlan: lost[0]!, vxlan: lost[1]! } };
}

const podsOf = (plan: PlanAnswer) => plan.hosts?.host1?.cuts.map(({ pod }) => pod).sort();

Deno.test("plan names the pods that another uplink or tunnel address interrupts, and for how long; no other pod notices", async () => {
  await using stack = new AsyncDisposableStack();
  const world = await startWorld(stack);
  const uplink = await change(world, intentOf({ Intf: "eth3" }));
  assertEquals(podsOf(uplink.plan), ["default/a1", "default/web"]);
  assert(uplink.lost.vxlan <= OF_A_PORT_S, `pods of VXLANs lost ${uplink.lost.vxlan} s`);
  const tunnel = await change(world, intentOf({ Intf: "eth3", VtepIp: OTHER_VTEP }));
  assertEquals(podsOf(tunnel.plan), ["default/b1"]);
  assertEquals(tunnel.lost.vlan, 0, "pods of VLANs do not notice another tunnel address");
  console.log(`lost: ${JSON.stringify([uplink.lost, tunnel.lost])}`);
  for (const { plan, table } of [uplink, tunnel]) {
    for (const { lasts, until } of plan.hosts?.host1?.cuts ?? []) {
      assertEquals(until, "towards other hosts, until host1 has changed it");
      assert(lasts && lasts.seconds > 0, JSON.stringify(lasts));
      assertMatch(table, new RegExp(`, about ${lasts.seconds} s \\(${lasts.from}\\)`));
    }
  }
});

Deno.test("plan says how long a pod that moves is without its network, from what this host has measured", async () => {
  await using stack = new AsyncDisposableStack();
  const world = await startWorld(stack);
  const { plan, table } = await change(world, intentOf({}, "host2"));
  const [leaves] = plan.hosts?.host1?.moves ?? [];
  const [comes] = plan.hosts?.host2?.moves ?? [];
  assertEquals([leaves?.pod, comes?.pod], ["default/web", "default/web"]);
  assertEquals(comes?.lasts?.from, "median of 3 set-ups on host1");
  const seconds = comes?.lasts?.seconds ?? 0;
  assert(seconds > 0 && seconds < 60, `${seconds} s`);
  assertMatch(
    table,
    /^ {2}! default\/web moves: it comes from host1 with its set-up \(t\/moved\/web\), without a network until it is set up, about [\d.]+ s \(median of 3 set-ups on host1\)$/m,
  );
});
