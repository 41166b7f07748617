// The file in lists with the reference plugins of Debian's containernetworking-plugins 1.1.1: before them, and
// behind another network's plugin, whose interface it leaves alone.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { throughput } from "../bench/streams.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { LabCniRuntime, type PluginConfig } from "../lab/cni_runtime.ts";
import { assertNothingLeft, FILE, startHost, worldOf } from "../lab/host.ts";
import { run } from "../lab/run.ts";

const INTENT = {
  Tenants: [tenantWith({ Networks: [{ Name: "n", Default: true, DefaultGw: "10.9.0.254" }] })],
};

const OURS: PluginConfig = { type: "k8contivnet" };

/** What comes behind ours, and what of it can be seen afterwards: in the container, or on the host. */
const CHAINS: readonly {
  readonly plugin: PluginConfig;
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
  readonly where: "container" | "host";
  readonly command: readonly string[];
  readonly shows: string;
  /** Its CHECK (1.1.1) fails for a container without IPv6, behind any plugin. */
  readonly isCheckBroken?: boolean;
}[] = [
  {
    plugin: { type: "tuning", sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" } },
    where: "container",
    command: ["sysctl", "net.ipv4.conf.eth0.arp_filter"],
    shows: "= 1",
  },
  {
    plugin: { type: "portmap", snat: true, capabilities: { portMappings: true } },
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
    where: "host",
    command: ["iptables-save", "-t", "nat"],
    shows: "--to-destination 10.9.0.1:80",
    isCheckBroken: true,
  },
  {
    plugin: { type: "firewall", backend: "iptables" },
    where: "host",
    command: ["iptables-save", "-t", "filter"],
    shows: "10.9.0.1/32",
  },
  {
    // It limits what the container receives on the host's end of our pair, and what it sends by an ifb device.
    plugin: { type: "bandwidth", capabilities: { bandwidth: true } },
    runtimeConfig: {
      bandwidth: {
        ...{ ingressRate: 8_000_000, ingressBurst: 8_000_000 },
        ...{ egressRate: 8_000_000, egressBurst: 8_000_000 },
      },
    },
    where: "host",
    command: ["tc", "qdisc", "show"],
    shows: "qdisc tbf 1: dev bwp",
  },
  {
    plugin: { type: "sbr" },
    where: "container",
    command: ["ip", "rule"],
    shows: "from 10.9.0.1",
  },
];

for (const { plugin, runtimeConfig = {}, where, command, shows, isCheckBroken } of CHAINS) {
  Deno.test(`a list with ${plugin.type} behind ours: ADD, CHECK and DEL, and nothing is left`, async () => {
    await using host = await startHost(INTENT);
    const runtime = new LabCniRuntime({
      ...{ file: FILE, socket: host.agent.socket, plugins: [OURS, plugin] },
    });
    const before = await worldOf(host);
    const [a, b] = [await host.pod("a"), await host.pod("b")];
    const target = { pod: a, runtimeConfig };
    const result = await runtime.add(target);
    assertEquals(result.ips.map(({ address }) => address), ["10.9.0.1/24"]);
    const [cmd = "", ...words] = command;
    const text = where === "host" ? await run(cmd, words) : (await a.run(cmd, ...words)).text;
    assertStringIncludes(text, shows);
    if (!isCheckBroken) await runtime.check(target);
    const checked = await runtime.call("CHECK", OURS, target, result);
    assertEquals([checked.code, checked.out], [0, ""], checked.err);
    await runtime.add({ pod: b });
    // With sbr, packets have routes only by their source.
    assert((await b.run("ping", "-c1", "-W30", "-q", "-I", "10.9.0.2", "10.9.0.1")).code === 0);
    for (const pod of [a, b]) await runtime.del({ ...target, pod });
    await assertNothingLeft(host, before);
    assert(where === "container" || !(await run(cmd, words)).includes(shows));
  });
}

Deno.test("bandwidth behind ours limits what the container receives", async () => {
  await using host = await startHost(INTENT);
  const limited: PluginConfig = { type: "bandwidth", capabilities: { bandwidth: true } };
  const runtime = new LabCniRuntime({
    ...{ file: FILE, socket: host.agent.socket, plugins: [OURS, limited] },
  });
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  // 1 MB/s after the first megabyte.
  const bandwidth = { ingressRate: 8_000_000, ingressBurst: 8_000_000 };
  const target = { pod: a, runtimeConfig: { bandwidth } };
  const { ips: [address] } = await runtime.add(target);
  await runtime.add({ pod: b });
  const megabytes = await throughput(b, a, address!.address.split("/")[0]!, 4_000_000);
  assert(megabytes < 2, `${megabytes} MB/s`);
  await runtime.del(target);
});

Deno.test("a list with ours behind ptp: the first interface keeps its address and route", async () => {
  await using host = await startHost(INTENT);
  const subnet = "172.31.9.0/24";
  const dataDir = `${host.dir}/host-local`;
  const ptp: PluginConfig = {
    type: "ptp",
    ipam: { type: "host-local", dataDir, ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] },
  };
  const runtime = new LabCniRuntime({
    ...{ file: FILE, socket: host.agent.socket, plugins: [ptp, OURS] },
  });
  const before = await worldOf(host);
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  const results = [await runtime.add({ pod: a }), await runtime.add({ pod: b })];
  assertEquals(results[0]!.ips.map(({ address }) => address), ["172.31.9.2/24", "10.9.0.1/24"]);
  const names = results[0]!.interfaces.filter(({ sandbox }) => sandbox).map(({ name }) => name);
  assertEquals(names, ["eth0", "net1"]);
  const routes = (await a.run("ip", "route")).text;
  assertStringIncludes(routes, "default via 172.31.9.1 dev eth0");
  assert(!routes.includes("10.9.0.254"), routes);
  assert(await a.reaches("10.9.0.2"), "by our network");
  assert(await a.reaches("172.31.9.1"), "by the other one");
  // CHECK of ptp 1.1.1 looks for all addresses of a result on its own interface.
  const checked = await runtime.call("CHECK", OURS, { pod: a }, results[0]);
  assertEquals([checked.code, checked.out], [0, ""], checked.err);
  for (const pod of [a, b]) await runtime.del({ pod });
  await assertNothingLeft(host, before);
});

Deno.test("calls as Multus makes them: ours is a delegate for net1 beside another plugin's eth0", async () => {
  await using host = await startHost(INTENT);
  const { socket } = host.agent;
  const dataDir = `${host.dir}/host-local`;
  const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: "172.31.9.0/24" }]] };
  const first = new LabCniRuntime({
    ...{ file: FILE, socket, name: "cluster", plugins: [{ type: "ptp", ipam }] },
  });
  const second = new LabCniRuntime({ file: FILE, socket, name: "blue", cniVersion: "0.3.1" });
  const before = await worldOf(host);
  const [a, b] = [await host.pod("a"), await host.pod("b")];
  for (const pod of [a, b]) {
    await first.add({ pod });
    const { interfaces } = await second.add({ pod, ifname: "net1" });
    assertEquals(interfaces.at(-1)?.name, "net1");
  }
  assert(await a.reaches("10.9.0.2"));
  // Multus deletes in reverse order, and again where a delegate failed.
  for (const pod of [a, b]) {
    for (const _ of ["first", "again"]) await second.del({ pod, ifname: "net1" });
    await first.del({ pod });
  }
  await assertNothingLeft(host, before);
});
