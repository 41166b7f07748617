// Tunnel addresses that are wrong: each is reported in one sentence, and pods that do not need it are
// served all the same.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../lab/run.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";

const base = intentOf("vteps", { orange: ["c1", "c2", "c3"] }) as Record<string, unknown>;

/** The intent with these tunnel addresses, by host. */
function withVteps(vteps: Readonly<Record<string, string>>): unknown {
  return { ...base, Hosts: Object.entries(vteps).map(([Name, VtepIp]) => ({ Name, VtepIp })) };
}

/** Sets two pods up on host 1 and sees that they reach each other. */
async function localPodsMeet(cluster: Cluster): Promise<void> {
  const host = cluster.host(1);
  const [one, two] = [await host.pod("myContainer1"), await host.pod("myContainer2")];
  await host.agent.setup(one);
  await host.agent.setup(two);
  assert(await one.reaches(await host.agent.addressOf(two)), "the first ping on one host");
}

async function saysOnce({ agent }: { agent: { logText(): Promise<string> } }, words: RegExp) {
  await waitFor(`${words}`, async () => words.test(await agent.logText()));
  const lines = (await agent.logText()).split("\n").filter((line) => words.test(line));
  assertEquals(lines.length, 1, lines.join("\n"));
}

Deno.test("a tunnel address that this host does not have is reported once, and pods of this host meet", async () => {
  const intent = withVteps({ host1: "192.168.2.99", host2: "192.168.2.11" });
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent });
  await localPodsMeet(cluster);
  await saysOnce(cluster.host(1), /overlay: tunnel address 192\.168\.2\.99 cannot be used: /);
});

Deno.test("a tunnel address on the NIC itself is reported with the commands that repair it", async () => {
  const intent = withVteps({ host1: "192.168.2.10", host2: "192.168.2.11" });
  await using cluster = await startCluster({ hosts: 2, fabric: "wire" });
  const host = cluster.host(1);
  await host.ovs.vsctl("del-br", "underlay");
  const ip = (...words: string[]) => run("ip", ["-n", host.netns, ...words]);
  await ip("address", "add", "192.168.2.10/24", "dev", "eth1");
  await ip("link", "set", "eth1", "up");
  await cluster.apply(intent);
  await localPodsMeet(cluster);
  await saysOnce(host, /overlay: tunnel address 192\.168\.2\.10 cannot be used: /);
  const commands = (await host.agent.logText()).split("\n")
    .flatMap((line) => /to fix it, as root: (.*)$/.exec(line)?.[1] ?? []);
  assertMatch(commands.join("\n"), /ovs-vsctl .*add-br /);
  await saysOnce(
    host,
    /own connections over eth1 through ovs-vswitchd; .*ethtool -K DEVICE tx off/,
  );
});

Deno.test("a host whose tunnel address does not answer is named, and all others are reached", async () => {
  const intent = withVteps({
    host1: "192.168.2.10",
    host2: "192.168.2.11",
    host3: "192.168.2.77",
  });
  await using cluster = await startCluster({ hosts: 3, fabric: "wire", intent });
  const [h1, h2, h3] = [cluster.host(1), cluster.host(2), cluster.host(3)];
  const [one, two, three] = [
    await h1.pod("myContainer1"),
    await h2.pod("myContainer2"),
    await h3.pod("myContainer3"),
  ];
  await h3.agent.setup(three);
  await h2.agent.setup(two);
  await h1.agent.setup(one);
  assert(await one.reaches(await h2.agent.addressOf(two)), "the first ping between hosts");
  await saysOnce(h1, /overlay: tunnel address 192\.168\.2\.77 does not answer/);
});

Deno.test("two hosts with one tunnel address report it, and pods of this host meet", async () => {
  const intent = withVteps({ host1: "192.168.2.10", host2: "192.168.2.10" });
  await using cluster = await startCluster({ hosts: 2, fabric: "wire", intent });
  const other = await cluster.host(2).pod("myContainer3");
  await cluster.host(2).agent.setup(other);
  await localPodsMeet(cluster);
  await saysOnce(cluster.host(1), /overlay: tunnel address 192\.168\.2\.10 is also another host's/);
});

for (const flags of [[], ["--vtep-arp-ignore"]]) {
  const title = flags.length === 0
    ? "a NIC that answers ARP beside its bridge is a warning that says what may be lost"
    : "with --vtep-arp-ignore the agent silences a NIC that answers ARP beside its bridge";
  Deno.test(title, async () => {
    await using cluster = await startCluster({ hosts: 1, fabric: "wire", flags });
    const host = cluster.host(1);
    const sysctl = (...words: string[]) =>
      run("ip", ["netns", "exec", host.netns, "sysctl", ...words]);
    await sysctl("-qw", "net/ipv4/conf/eth1/arp_ignore=0");
    await cluster.apply(withVteps({ host1: "192.168.2.10" }));
    await localPodsMeet(cluster);
    await saysOnce(
      host,
      flags.length === 0
        ? /warn +overlay: tunnel address 192\.168\.2\.10 may lose frames: eth1 also answers ARP/
        : /info +arp_ignore set to 1, .*link=eth1 address=192\.168\.2\.10/,
    );
    const now = await sysctl("-n", "net/ipv4/conf/eth1/arp_ignore");
    assertEquals(now.trim(), String(flags.length));
    assert(!/error/.test(await host.agent.logText()), await host.agent.logText());
  });
}
