// The uplink to a VLAN fabric: two hosts, an Open vSwitch as VLAN switch between them.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type DriverName, type FabricHost, startFabricHost } from "../lab/fabric_host.ts";
import { type Ovs, startOvs } from "../lab/ovs.ts";
import { sniff } from "../lab/sniff.ts";
import { waitFor } from "../lab/wait.ts";
import { Fault } from "../../lib/util/errors.ts";
import { run } from "../lab/run.ts";

const DRIVERS: readonly DriverName[] = ["jsonrpc", "vsctl"];
const [BLUE, RED, LOCAL] = [110, 120, 2_001];

/** Two hosts with a link `up0` each, and the switch to which these lead, with all VLANs. */
async function withFabric(
  driver: DriverName,
  test: (one: FabricHost, two: FabricHost, fabric: Ovs) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await run("ip", ["netns", "add", "vlansw"]);
  stack.defer(async () => void await run("ip", ["netns", "del", "vlansw"]));
  const fabric = stack.use(await startOvs(`${dir}/fabric`, { netns: "vlansw" }));
  await fabric.vsctl("add-br", "sw", "--", "set", "bridge", "sw", "datapath_type=netdev");
  const one = stack.use(await startFabricHost(dir, { n: 1, driver }));
  const two = stack.use(await startFabricHost(dir, { n: 2, driver }));
  for (const host of [one, two]) await cable(host, fabric);
  await test(one, two, fabric);
}

async function cable({ name }: FabricHost, fabric: Ovs): Promise<void> {
  const pair = ["type", "veth", "peer", "name", "up0", "netns", name];
  await run("ip", ["-n", "vlansw", "link", "add", `sw-${name}`, ...pair]);
  await run("ip", ["-n", "vlansw", "link", "set", `sw-${name}`, "up"]);
  await fabric.vsctl("add-port", "sw", `sw-${name}`);
}

/** A pod 10.8.8.n with its VLAN in its MAC. */
function podOf(host: FabricHost, tag: number, n: number) {
  const mac = `02:02:${String(tag % 100).padStart(2, "0")}:08:08:0${n}`;
  return host.pod(`${tag}-${n}`, { ip: `10.8.8.${n}`, mac, tag });
}

for (const driver of DRIVERS) {
  Deno.test(`${driver}: pods of two VLANs with one subnet meet their own across the fabric`, async () => {
    await withFabric(driver, async (one, two) => {
      const blue1 = await podOf(one, BLUE, 1);
      const red1 = await podOf(one, RED, 1);
      const blue2 = await podOf(two, BLUE, 2);
      const red2 = await podOf(two, RED, 2);
      for (const host of [one, two]) {
        await host.fabric.setUplink({ device: "up0", tags: [RED, BLUE] });
      }
      await using atBlue = await sniff(blue2.id, "eth0");
      assert(await red1.reaches("10.8.8.2"), "first ping of red");
      assert(await blue1.reaches("10.8.8.2"), "first ping of blue");
      assertStringIncludes((await red1.run("ip", "neigh")).text, red2.mac);
      assertStringIncludes((await blue1.run("ip", "neigh")).text, blue2.mac);
      await atBlue.seen(/10\.8\.8\.2 > 10\.8\.8\.1: ICMP echo reply/);
      assertEquals(atBlue.lines.filter((line) => line.includes("02:02:20:")), []);
    });
  });

  Deno.test(`${driver}: a second setUplink() changes nothing; another uplink moves it, none removes it`, async () => {
    await withFabric(driver, async (one) => {
      const before = await portsOf(one);
      await one.fabric.setUplink({ device: "up0", tags: [BLUE] });
      const first = await worldOf(one);
      await one.fabric.setUplink({ device: "up0", tags: [BLUE, BLUE] });
      assertEquals(await worldOf(one), first);
      assertEquals(await one.switch.ports(), [], "the uplink is not a pod's port");
      await one.run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up1p");
      await one.fabric.setUplink({ device: "up1", tags: [BLUE, RED] });
      assertEquals(await portsOf(one), [...before, "up1"].sort());
      assertEquals(await trunksOf(one, "up1"), `[${BLUE}, ${RED}]`);
      await one.fabric.setUplink(undefined);
      assertEquals(await portsOf(one), before);
      const { flows } = await worldOf(one);
      assertEquals(flows.filter((line) => line.includes("dl_vlan")), []);
    });
  });

  Deno.test(`${driver}: after a restart of ovs-vswitchd the fabric is reached again, not before`, async () => {
    await withFabric(driver, async (one, two) => {
      const [a, b] = [await podOf(one, BLUE, 1), await podOf(two, BLUE, 2)];
      const desired = { device: "up0", tags: [BLUE] };
      await one.fabric.setUplink(desired);
      await two.fabric.setUplink(desired);
      assert(await a.reaches(b.ip));
      await one.ovs.killVswitchd();
      await one.ovs.startVswitchd();
      assertEquals(await b.pings(a.ip), false);
      await one.switch.syncPorts([a.spec]);
      await one.fabric.setUplink(desired);
      assert(await b.reaches(a.ip));
    });
  });
}

Deno.test("no tags, no traffic: the trunk is never empty, and pods of the host talk on", async () => {
  await withFabric("jsonrpc", async (one, two) => {
    const [a, b, c] = [
      await podOf(one, BLUE, 1),
      await podOf(two, BLUE, 2),
      await podOf(one, BLUE, 3),
    ];
    await two.fabric.setUplink({ device: "up0", tags: [BLUE] });
    await one.fabric.setUplink({ device: "up0", tags: [] });
    assertEquals(await trunksOf(one, "up0"), "[4095]");
    await using wire = await sniff(one.name, "up0", "vlan");
    assertEquals(await a!.pings(b!.ip), false);
    assert(await a!.reaches(c!.ip));
    await b!.pings(a!.ip);
    await wire.seen(/who-has 10\.8\.8\.1 tell 10\.8\.8\.2/);
    assertEquals(wire.lines.filter((line) => line.includes("tell 10.8.8.1")), []);
    // An operator empties the column, which means all VLANs; the next call corrects it.
    await one.ovs.vsctl("clear", "Port", "up0", "trunks");
    await one.fabric.setUplink({ device: "up0", tags: [] });
    assertEquals(await trunksOf(one, "up0"), "[4095]");
  });
});

Deno.test("no local tag leaves by the uplink, and a frame that comes in with one reaches no pod", async () => {
  await withFabric("jsonrpc", async (one, two) => {
    const blue = await podOf(one, BLUE, 1);
    const local = await podOf(one, LOCAL, 1);
    await one.fabric.setUplink({ device: "up0", tags: [BLUE] });
    // Host two sends with the same tag, as a stranger on the fabric could; untagged, too.
    const stranger = await podOf(two, LOCAL, 2);
    await two.fabric.setUplink({ device: "up0", tags: [LOCAL] });
    await using wire = await sniff(one.name, "up0");
    await using atLocal = await sniff(local.id, "eth0");
    await local.pings("10.8.8.2");
    await stranger.pings("10.8.8.1");
    await blue.pings("10.8.8.9");
    await wire.seen(/vlan 110,.*who-has 10\.8\.8\.9/);
    await wire.seen(/vlan 2001,.*who-has 10\.8\.8\.1 tell 10\.8\.8\.2/);
    await atLocal.seen(/who-has 10\.8\.8\.2 tell 10\.8\.8\.1/);
    assertEquals(wire.lines.filter((line) => line.includes(local.mac)), []);
    assertEquals(atLocal.lines.filter((line) => line.includes(stranger.mac)), []);
  });
});

Deno.test("an uplink that is removed by hand is noticed, and the next reconciliation restores it", async () => {
  await withFabric("jsonrpc", async (one) => {
    const desired = { device: "up0", tags: [BLUE] };
    await one.fabric.setUplink(desired);
    let rings = 0;
    const end = one.switch.onChange(() => rings++);
    await one.ovs.vsctl("del-port", "contivBridge", "up0");
    await waitFor("a ring", () => rings > 0);
    await one.fabric.setUplink(desired);
    assertEquals(await trunksOf(one, "up0"), `[${BLUE}]`);
    end();
  });
});

Deno.test("a pod cannot spoof another pod by the uplink", async () => {
  await withFabric("jsonrpc", async (one, two) => {
    const [a, b] = [await podOf(one, BLUE, 1), await podOf(two, BLUE, 2)];
    for (const host of [one, two]) await host.fabric.setUplink({ device: "up0", tags: [BLUE] });
    assert(await a.reaches(b.ip));
    await a.run("ip", "address", "add", "10.8.8.7/24", "dev", "eth0");
    const spoofed = await a.run("ping", "-c1", "-W1", "-I", "10.8.8.7", b.ip);
    assertEquals(spoofed.code, 1);
    await a.run("ip", "link", "set", "eth0", "address", "02:02:10:08:08:99");
    assertEquals(await a.pings(b.ip), false);
  });
});

Deno.test("a device that does not exist, or is in use otherwise, is rejected, and nothing changes", async () => {
  await withFabric("jsonrpc", async (one) => {
    await one.ovs.vsctl(
      "add-br",
      "theirs",
      "--",
      "set",
      "bridge",
      "theirs",
      "datapath_type=netdev",
    );
    await one.run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up1p");
    await one.ovs.vsctl("add-port", "theirs", "up1");
    await one.run("ip", "link", "add", "kernelbr", "type", "bridge");
    await one.run("ip", "link", "set", "up1p", "master", "kernelbr");
    const pod = await podOf(one, BLUE, 1);
    const before = await worldOf(one);
    const cases = [
      { device: "nosuch0", want: "uplink nosuch0 does not exist" },
      { device: "up1", want: "it is a port of bridge theirs, and not our uplink" },
      { device: "up1p", want: "it is a port of kernelbr" },
      { device: pod.spec.name, want: "it is a port of bridge contivBridge, and not our uplink" },
      { device: "a b", want: "it is not a valid link name" },
      { device: "up0", tags: [4_095], want: "access tag 4095 is out of range" },
    ];
    for (const { device, tags = [BLUE], want } of cases) {
      const fault = await assertRejects(() => one.fabric.setUplink({ device, tags }), Fault);
      assertStringIncludes(fault.message, want);
    }
    assertEquals(await worldOf(one), before);
  });
});

Deno.test("a tag that the overlay uses on this host is refused as a fabric VLAN", async () => {
  await withFabric("jsonrpc", async (one) => {
    await one.fabric.setTunnel({
      localIp: one.vtep,
      hosts: [],
      networks: [{ vni: 1_001, localTag: LOCAL, members: [] }],
    });
    const desired = { device: "up0", tags: [BLUE, LOCAL] };
    const fault = await assertRejects(() => one.fabric.setUplink(desired), Fault);
    assertEquals(fault.code, "conflict");
    assertStringIncludes(fault.message, "VLAN 2001 is the local tag of a VXLAN network");
    await one.fabric.setUplink({ device: "up0", tags: [BLUE] });
    const clash = { vni: 1_001, localTag: BLUE, members: [] };
    const back = await assertRejects(
      () => one.fabric.setTunnel({ localIp: one.vtep, hosts: [], networks: [clash] }),
      Fault,
    );
    assertStringIncludes(back.message, "the uplink carries VLAN 110");
  });
});

async function portsOf({ ovs }: FabricHost): Promise<string[]> {
  return (await ovs.vsctl("list-ports", "contivBridge")).split("\n").filter(Boolean).sort();
}

function trunksOf({ ovs }: FabricHost, port: string): Promise<string> {
  return ovs.vsctl("get", "Port", port, "trunks");
}

async function worldOf(host: FabricHost) {
  const flows = await host.ovs.ofctl("dump-flows", "contivBridge", "--no-stats");
  return {
    ports: await portsOf(host),
    nextCfg: await host.ovs.vsctl("--columns=next_cfg", "list", "Open_vSwitch"),
    flows: flows.split("\n").filter((line) => line.includes("actions=")).sort(),
  };
}
