// The lab of many hosts: what every test with more than one host relies on.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isWarmPort } from "../../lib/agent/pods/port_external_ids.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { run } from "../lab/run.ts";
import { startCluster } from "../lab/cluster.ts";
import { MANAGEMENT_ADDRESS, managementAddress } from "../lab/cluster/fabric.ts";
import { UNDERLAY, vtepOf } from "../lab/cluster/host.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { waitFor } from "../lab/wait.ts";

const INTENT = {
  Tenants: [tenantWith({
    AllocSubnetLen: 16,
    Networks: [{ Name: "blue", Endpoints: [{ Container: "a" }, { Container: "b" }] }],
  })],
};

/** Pings from inside a namespace; throws without an answer. */
async function ping(netns: string, address: string, ...words: string[]): Promise<void> {
  const limits = ["-c1", "-W2", "-q"];
  await run("nsenter", [`--net=/run/netns/${netns}`, "--", "ping", ...limits, ...words, address]);
}

Deno.test("hosts of a lab reach the lab and each other's VTEP, at the wire's MTU", async () => {
  await using cluster = await startCluster({ hosts: 3, fabric: "wire", etcd: 0, mtu: 1600 });
  assertEquals(cluster.hosts.map(({ label }) => label), ["host1", "host2", "host3"]);
  await ping("h2", MANAGEMENT_ADDRESS);
  await ping("h2", managementAddress(3));
  await ping("h1", vtepOf(3), "-Mdo", "-s1572");
  assertStringIncludes(await cluster.host("host1").ovs.vsctl("list-ports", UNDERLAY), "eth1");
});

Deno.test("a tunnel made by hand carries frames between hosts of a lab, over the wire", async () => {
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", etcd: 0 });
  for (const [at, { netns, ovs }] of cluster.hosts.entries()) {
    const ends = [`options:remote_ip=${vtepOf(2 - at)}`, `options:local_ip=${vtepOf(at + 1)}`];
    await ovs.vsctl(
      ...["add-br", "hand", "--", "set", "bridge", "hand", "datapath_type=netdev"],
      ...["--", "add-port", "hand", "vx", "--", "set", "interface", "vx", "type=vxlan"],
      ...["options:key=7", ...ends],
    );
    const lines = `address add 10.8.8.${at + 1}/24 dev hand\nlink set hand mtu 1450 up\n`;
    await run("ip", ["-n", netns, "-batch", "-"], { stdin: lines });
  }
  await using sniffer = await cluster.host(2).sniff("eth1", "udp port 4789");
  // The userspace datapath drops what it has no VTEP neighbour for, and then resolves it.
  await waitFor(
    "an answer through the tunnel",
    () => ping("h1", "10.8.8.2").then(() => true, () => false),
  );
  await sniffer.hears("vni 7");
});

Deno.test("a lab's VLAN switch carries a tag between the hosts' eth2", async () => {
  await using cluster = await startCluster({ hosts: 2, fabric: "vlan-switch", etcd: 0 });
  for (const { netns, ovs } of cluster.hosts) {
    await ovs.vsctl(
      ...["add-br", "seven", "--", "set", "bridge", "seven", "datapath_type=netdev"],
      ...["--", "add-port", "seven", "eth2", "--", "add-port", "seven", "v7", "tag=7"],
      ...["--", "set", "interface", "v7", "type=internal"],
    );
    const address = `10.7.7.${netns.slice(1)}/24`;
    await run("ip", ["-n", netns, "address", "add", address, "dev", "v7"]);
    await run("ip", ["-n", netns, "link", "set", "v7", "up"]);
  }
  await using sniffer = await cluster.host(2).sniff("eth2", "icmp or vlan");
  await ping("h1", "10.7.7.2");
  await sniffer.hears("vlan 7");
});

Deno.test("agents of a lab share one store, and each has its own switch and pods", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 0, intent: INTENT });
  const [one, two] = [cluster.host(1), cluster.host(2)];
  const [a, b] = [await one.pod("a"), await two.pod("b")];
  await one.agent.setup(a);
  await two.agent.setup(b);
  assertEquals((await one.agent.attachments()).map(({ host }) => host), ["host1"]);
  assertEquals((await two.agent.attachments()).map(({ host }) => host), ["host2"]);
  const ports = (await one.ovs.vsctl("list-ports", "contivBridge")).split("\n");
  assertEquals(ports.filter((name) => !isWarmPort(name)).length, 1);
  assert(!await a.pings(await two.agent.addressOf(b)), "no fabric, yet they meet");
  await one.restartVswitchd("kill");
  await one.restartAgent("SIGKILL");
  assertEquals((await one.agent.attachments()).map(({ state }) => state), ["ready"]);
});

Deno.test("a lab's host can leave and another one join, and nothing of a lab is left at its end", async () => {
  const before = await run("ip", ["-br", "link"]);
  {
    await using cluster = await startCluster({ hosts: 2, fabric: "both", etcd: 0, intent: INTENT });
    await cluster.leave("host1");
    const third = await cluster.join();
    assertEquals(cluster.hosts.map(({ label }) => label), ["host2", "host3"]);
    const { code, out } = await third.agent.call("get", "networks", "-o", "name");
    assertEquals([code, out.trim()], [0, "t/blue"]);
    assertMatch(await run("ip", ["netns"]), /^h3/m);
    assert(!/^h1/m.test(await run("ip", ["netns"])));
  }
  assertEquals(await run("ip", ["-br", "link"]), before);
  assertEquals(await run("ip", ["netns"]), "");
});

Deno.test("a sniffer hears what passes, and nothing else", async () => {
  await using cluster = await startCluster({ hosts: 2, etcd: 0 });
  await using sniffer = await sniff("h1", "mgmt0", "icmp");
  await ping("h2", managementAddress(1));
  await sniffer.hears("echo request");
  await using deaf = await sniff("h1", "mgmt0", "tcp");
  await ping("h2", managementAddress(1));
  assertEquals(deaf.lines(), []);
  assertEquals(cluster.hosts.length, 2);
});
