// The overlay and what else is on a host: rows of others, its own removal, and a tunnel address that
// is not where the userspace datapath needs it.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  desiredOf,
  type FabricHost,
  localTag,
  setOverlays,
  UNDERLAY,
  withFabricHosts,
} from "../lab/fabric_host.ts";
import { Fault } from "../../lib/util/errors.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { run } from "../lab/run.ts";
import { scaled } from "../lab/limits.ts";

const VNI = 1_001;
const NO_MEMBERS = { localIp: `${UNDERLAY}.1`, hosts: [], networks: [] };

Deno.test("a foreign bridge or port in the overlay's place is refused, and not touched", async () => {
  await withFabricHosts({ count: 1, driver: "jsonrpc" }, async (host) => {
    const vsctl = (...words: string[]) => host!.ovs.vsctl(...words);
    await vsctl(
      "add-br",
      "contivTunnel",
      "--",
      "set",
      "bridge",
      "contivTunnel",
      "datapath_type=netdev",
    );
    const before = await rowsOf(host!);
    const bridge = await assertRejects(() => host!.fabric.setTunnel(NO_MEMBERS), Fault);
    assertEquals(bridge.code, "conflict");
    assertStringIncludes(
      bridge.message,
      "bridge contivTunnel refused: it was not created by k8contivnet",
    );
    await host!.fabric.setTunnel(undefined);
    assertEquals(await rowsOf(host!), before);
    await vsctl("del-br", "contivTunnel");
    await vsctl(
      "add-port",
      "underlay",
      "contivVxlan",
      "--",
      "set",
      "interface",
      "contivVxlan",
      "type=internal",
    );
    const port = await assertRejects(() => host!.fabric.setTunnel(NO_MEMBERS), Fault);
    assertEquals(port.code, "conflict");
    assertStringIncludes(port.message, "has a port contivVxlan already: it is on bridge underlay");
    await host!.fabric.setTunnel(undefined);
    assertStringIncludes(await vsctl("list-ports", "underlay"), "contivVxlan");
  });
});

Deno.test("a foreign tunnel that takes our frames is reported, with what Open vSwitch says of it", async () => {
  await withFabricHosts({ count: 1, driver: "jsonrpc" }, async (host) => {
    await host!.ovs.vsctl(
      ...["add-port", "underlay", "theirs", "--", "set", "interface", "theirs", "type=vxlan"],
      ...["options:remote_ip=flow", "options:key=flow", `options:local_ip=${host!.vtep}`],
    );
    const fault = await assertRejects(() => host!.fabric.setTunnel(NO_MEMBERS), Fault);
    assertStringIncludes(fault.message, "Open vSwitch could not open link contivVxlan: ");
    await host!.ovs.vsctl("del-port", "theirs");
    await host!.fabric.setTunnel(NO_MEMBERS);
  });
});

Deno.test("an ovs-vswitchd that hangs holds no call up beyond its limit", async () => {
  await withFabricHosts({ count: 1, driver: "jsonrpc" }, async (host) => {
    await host!.fabric.setTunnel(NO_MEMBERS);
    const fabric = host!.openFabric({ limitMs: scaled(1_500) });
    freezeProcess(host!.ovs.vswitchdPid!);
    try {
      const startMs = performance.now();
      const fault = await assertRejects(() => fabric.setTunnel(NO_MEMBERS), Fault);
      assertEquals(fault.code, "timeout");
      assert(performance.now() - startMs < scaled(6_000));
    } finally {
      Deno.kill(host!.ovs.vswitchdPid!, "SIGCONT");
    }
    await fabric.setTunnel(NO_MEMBERS);
  });
});

Deno.test("a tunnel that is no longer desired is removed completely, and pods of the host keep talking", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const tag = localTag(one!, VNI);
    const pods = [
      await one!.pod("a", { ip: "10.5.5.1", mac: "02:02:0a:05:05:01", tag }),
      await one!.pod("b", { ip: "10.5.5.2", mac: "02:02:0a:05:05:02", tag }),
    ];
    const far = await two!.pod("c", {
      ip: "10.5.5.3",
      mac: "02:02:0a:05:05:03",
      tag: localTag(two!, VNI),
    });
    const placed = [
      ...pods.map((pod) => ({ host: one!, pod, vni: VNI })),
      { host: two!, pod: far, vni: VNI },
    ];
    const before = await rowsOf(one!);
    await setOverlays([one!, two!], placed);
    assert(await pods[0]!.pings(far.ip));
    await one!.fabric.setTunnel(undefined);
    assertEquals(await rowsOf(one!), before);
    const flows = await one!.ovs.ofctl("dump-flows", "contivBridge");
    assertEquals(/cookie=0x6b380003/.test(flows), false, "flows of the patch are left");
    assert(await pods[0]!.pings(pods[1]!.ip));
    assertEquals(await pods[0]!.pings(far.ip), false);
  });
});

Deno.test("an overlay without networks lets nothing through, and its patch carries no tag", async () => {
  await withFabricHosts({ count: 1, driver: "jsonrpc" }, async (host) => {
    await host!.fabric.setTunnel(NO_MEMBERS);
    const trunks = await host!.ovs.vsctl("get", "Port", "contivPatchTun", "trunks");
    assertEquals(trunks, "[4095]");
    const flows = await host!.ovs.ofctl("dump-flows", "contivTunnel", "--no-stats");
    assertEquals(
      flows.replace(/^.*cookie/s, "cookie"),
      "cookie=0x6b38000400000000, priority=0 actions=drop",
    );
  });
});

Deno.test("checkVtep() says what is wrong, and its commands fix it until pods meet", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const placed = await placePods([one!, two!]);
    assertEquals(await one!.fabric.checkVtep(one!.vtep), undefined);
    await takeUnderlayAway(one!);
    const missing = await one!.fabric.checkVtep(`${UNDERLAY}.9`);
    assertStringIncludes(missing!.message, "no link of this host has it");
    const fault = await one!.fabric.checkVtep(one!.vtep);
    assertStringIncludes(fault!.message, "it is on nic0, where the userspace datapath cannot");
    for (const line of fault!.commands) await runLine(one!, line);
    assertEquals(await one!.fabric.checkVtep(one!.vtep), undefined);
    await setOverlays([one!, two!], placed);
    assert(await placed[0]!.pod.pings("10.5.5.2"), "first ping after the repair");
    const route = await one!.run("ip", "route", "show", "203.0.113.0/24");
    assertStringIncludes(route, `via ${UNDERLAY}.2 dev contivUnderlay`);
  });
});

Deno.test("checkVtep() finds a NIC that answers ARP for the bridge, and a bridge that is down", async () => {
  await withFabricHosts({ count: 1, driver: "jsonrpc" }, async (host) => {
    await host!.run("sysctl", "-qw", "net/ipv4/conf/nic0/arp_ignore=0");
    const warning = await host!.fabric.checkVtep(host!.vtep);
    assertStringIncludes(warning!.message, "nic0 also answers ARP for it, beside underlay");
    assertEquals([warning!.isWarning, warning!.answeringNics], [true, ["nic0"]]);
    await host!.fabric.setArpIgnore(warning!.answeringNics);
    assertEquals(await host!.fabric.checkVtep(host!.vtep), undefined);
    await host!.run("sysctl", "-qw", "net/ipv4/conf/nic0/arp_ignore=0");
    await host!.run("ip", "link", "set", "underlay", "down");
    const fault = await host!.fabric.checkVtep(host!.vtep);
    assertStringIncludes(fault!.message, "link underlay is down");
    for (const line of fault!.commands) await runLine(host!, line);
    assertEquals(await host!.fabric.checkVtep(host!.vtep), undefined);
    await host!.ovs.vsctl("del-port", "underlay", "nic0");
    const without = await host!.fabric.checkVtep(host!.vtep);
    assertStringIncludes(without!.message, "bridge underlay has no NIC as a port");
  });
});

Deno.test("a VTEP behind a router is reached by the first ping, too", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    await using _router = await addRouter(["192.168.77.254/24", "192.168.78.254/24"]);
    await two!.run("ip", "address", "flush", "dev", "underlay");
    two!.vtep = "192.168.78.2";
    await two!.run("ip", "address", "add", "192.168.78.2/24", "dev", "underlay");
    await two!.run("ip", "route", "add", "192.168.77.0/24", "via", "192.168.78.254");
    await one!.run("ip", "route", "add", "192.168.78.0/24", "via", "192.168.77.254");
    const placed = await placePods([one!, two!]);
    const report = await one!.fabric.setTunnel(desiredOf(one!, placed));
    await two!.fabric.setTunnel(desiredOf(two!, placed));
    assertEquals(report.unreachable, []);
    assert(await placed[0]!.pod.pings("10.5.5.2"));
  });
});

/** Puts a pod on each host, 10.5.5.1 on the first. */
async function placePods(hosts: readonly FabricHost[]) {
  const placed = [];
  for (const [n, host] of hosts.entries()) {
    const at = { ip: `10.5.5.${n + 1}`, mac: `02:02:0a:05:05:0${n + 1}`, tag: localTag(host, VNI) };
    placed.push({ host, pod: await host.pod("a", at), vni: VNI });
  }
  return placed;
}

/** A router with one leg on the underlay's wire. */
async function addRouter(addresses: readonly string[]): Promise<AsyncDisposable> {
  await run("ip", ["netns", "add", "fabrouter"]);
  const pair = ["type", "veth", "peer", "name", "leg", "netns", "fabrouter"];
  await run("ip", ["link", "add", "w-router", ...pair]);
  await run("ip", ["link", "set", "w-router", "master", "fabwire", "up"]);
  const lines = addresses.map((address) => `address add ${address} dev leg\n`).join("");
  await run("ip", ["-n", "fabrouter", "-batch", "-"], { stdin: `${lines}link set leg up\n` });
  await run("ip", ["netns", "exec", "fabrouter", "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  return { [Symbol.asyncDispose]: async () => void await run("ip", ["netns", "del", "fabrouter"]) };
}

/** What most hosts are like at first: the address on the NIC, with a route by a gateway. */
async function takeUnderlayAway(host: FabricHost): Promise<void> {
  await host.ovs.vsctl("del-br", "underlay");
  await host.run("ip", "address", "add", `${host.vtep}/24`, "dev", "nic0");
  await host.run("ip", "route", "add", "203.0.113.0/24", "via", `${UNDERLAY}.2`);
}

/** Runs a command that is meant for an operator's shell. */
async function runLine(host: FabricHost, line: string): Promise<void> {
  const words = line.split(" ").flatMap((word) =>
    word === "ovs-vsctl" ? [word, `--db=${host.ovs.db}`] : [word]
  );
  await run("nsenter", [`--net=${host.netns}`, "--", ...words]);
}

async function rowsOf({ ovs }: FabricHost): Promise<string[]> {
  const rows: string[] = [];
  for (const table of ["Bridge", "Port"]) {
    const names = await ovs.vsctl("--columns=name,external_ids", "--format=csv", "list", table);
    rows.push(...names.split("\n").sort());
  }
  return rows;
}
