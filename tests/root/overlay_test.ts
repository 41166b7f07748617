// The overlay between simulated hosts, each with its own Open vSwitch, on a real wire: which pods reach
// each other, and what is seen on the wire.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  desiredOf,
  type DriverName,
  type FabricHost,
  type FabricPod,
  localTag,
  type Placed,
  setOverlays,
  withFabricHosts,
} from "../lab/fabric_host.ts";
import type { DesiredTunnel } from "../../lib/ovs/tunnel/desired_tunnel.ts";
import { sniff } from "../lab/sniff.ts";

const DRIVERS: readonly DriverName[] = ["jsonrpc", "vsctl"];
const [BLUE, RED] = [1_001, 1_002];

// Bytes of the VXLAN packet behind the UDP header's 8: VNI, and the inner frame's ethertype.
const vniIs = (vni: number) => `udp dst port 4789 and udp[12:4] = ${vni * 256}`;
const INNER_ARP = "udp dst port 4789 and udp[28:2] = 0x0806";

/** Places a pod: 10.5.5.n in any network; its MAC contains network and host. */
async function place(host: FabricHost, vni: number, n: number): Promise<Placed> {
  const mac = `02:02:0${vni % 10}:05:05:${String(n).padStart(2, "0")}`;
  const tag = localTag(host, vni);
  return { host, vni, pod: await host.pod(`${vni}-${n}`, { ip: `10.5.5.${n}`, mac, tag }) };
}

/** The MAC that `pod` found behind an address. */
async function macBehind(pod: FabricPod, ip: string): Promise<string | undefined> {
  const { text } = await pod.run("ip", "neigh", "show", ip);
  return /lladdr (\S+)/.exec(text)?.[1];
}

for (const driver of DRIVERS) {
  Deno.test(`${driver}: pods of two networks with one subnet reach their own, from the first ping on`, async () => {
    await withFabricHosts({ count: 2, driver }, async (one, two) => {
      const placed = [
        await place(one!, BLUE, 1),
        await place(one!, RED, 1),
        await place(two!, BLUE, 2),
        await place(two!, RED, 2),
        await place(two!, RED, 3),
      ];
      const [blue1, red1, blue2, red2] = placed.map(({ pod }) => pod);
      await using atBlue = await sniff(blue2!.id, "eth0");
      assertEquals(await blue1!.pings("10.5.5.2"), false, "no overlay yet");
      await setOverlays([one!, two!], placed);
      assert(await blue1!.reaches("10.5.5.2"), "first ping of blue");
      assert(await red1!.reaches("10.5.5.2"), "first ping of red");
      assertEquals(await macBehind(blue1!, "10.5.5.2"), blue2!.mac);
      assertEquals(await macBehind(red1!, "10.5.5.2"), red2!.mac);
      assertEquals(await blue1!.pings("10.5.5.3"), false, "a red pod answered blue");
      assert(await red1!.reaches("10.5.5.3"));
      assert(await blue1!.reaches("10.5.5.2"));
      await atBlue.seen(/10\.5\.5\.2 > 10\.5\.5\.1: ICMP echo reply.*seq 1/);
      const foreign = atBlue.lines.filter((line) => line.includes("02:02:02:"));
      assertEquals(foreign, [], "a red frame reached a blue pod");
    });
  });

  Deno.test(`${driver}: a second setTunnel() changes neither rows nor flows, and ports do not grow`, async () => {
    await withFabricHosts({ count: 2, driver }, async (one, two) => {
      const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
      await setOverlays([one!, two!], placed);
      const before = await worldOf(one!);
      const youngest = await youngestOf(one!);
      await one!.fabric.setTunnel(desiredOf(one!, placed));
      assertEquals(await worldOf(one!), before);
      assert(await youngestOf(one!) > youngest, "a flow came anew");
      for (let n = 200; n < 210; n++) {
        await two!.run("ip", "address", "add", `192.168.77.${n}/24`, "dev", "underlay");
      }
      const large = largeWish(one!, 10, 100);
      const first = await timed(() => one!.fabric.setTunnel(large));
      const again = await timed(() => one!.fabric.setTunnel(large));
      console.log(`10 networks of 100 members: ${first.ms} ms, again ${again.ms} ms`);
      assertEquals(first.result.unreachable, []);
      assert(first.ms < 2_000 && again.ms < 1_000);
      const ports = await one!.ovs.vsctl("list-ports", "contivTunnel");
      assertEquals(ports.split("\n").sort(), ["contivPatchInt", "contivVxlan"]);
    });
  });

  Deno.test(`${driver}: after a restart of ovs-vswitchd nothing passes until setTunnel(), then all`, async () => {
    await withFabricHosts({ count: 2, driver }, async (one, two) => {
      const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
      const [a, b] = placed.map(({ pod }) => pod);
      await setOverlays([one!, two!], placed);
      assert(await a!.reaches(b!.ip));
      await one!.ovs.killVswitchd();
      await one!.ovs.startVswitchd();
      assertEquals(await one!.ovs.ofctl("dump-flows", "contivTunnel", "--no-stats"), "");
      assertEquals(await b!.pings(a!.ip), false);
      await one!.switch.syncPorts([a!.spec]);
      await one!.fabric.setTunnel(desiredOf(one!, placed));
      await one!.ovs.appctl("revalidator/wait"); // the ping that did not pass is cached as dropped
      assert(await a!.reaches(b!.ip));
      assert(await b!.reaches(a!.ip));
    });
  });
}

Deno.test("ARP for a member is answered on its asker's host and delivered to that member alone", async () => {
  await withFabricHosts({ count: 3, driver: "jsonrpc" }, async (one, two, three) => {
    const hosts = [one!, two!, three!];
    const placed = await Promise.all(hosts.map((host, n) => place(host, BLUE, n + 1)));
    const [a, b, c] = placed.map(({ pod }) => pod);
    await setOverlays(hosts, placed);
    await using wire = await sniff(one!.name, "nic0", "udp dst port 4789");
    await using arps = await sniff(one!.name, "nic0", INNER_ARP);
    assert(await a!.reaches(b!.ip));
    await wire.seen(/10\.5\.5\.2 > 10\.5\.5\.1: ICMP echo reply/);
    // A request for an address that no pod has goes to all hosts.
    await a!.pings("10.5.5.9");
    await arps.seen(/who-has 10\.5\.5\.9/);
    const asked = arps.lines.flatMap((line, at) =>
      line.includes("who-has 10.5.5.2 ") ? [outerOf(arps.lines, at)] : []
    );
    assertEquals([...new Set(asked)], [`${BLUE} ${two!.vtep}`]);
    assertEquals(wire.lines.filter((line) => /802\.1Q|vlan/.test(line)), []);
    // The pod of a removed member cannot answer, but the flow does.
    await three!.unplug(c!);
    await a!.pings(c!.ip);
    assertEquals(await macBehind(a!, c!.ip), c!.mac);
  });
});

Deno.test("a pod whose peer's host has not heard of it yet is answered from its first ping on", async () => {
  await withFabricHosts({ count: 3, driver: "jsonrpc" }, async (one, two, three) => {
    const hosts = [one!, two!, three!];
    const peers = [await place(two!, BLUE, 2), await place(three!, BLUE, 3)];
    await setOverlays(hosts, peers);
    const fresh = await place(one!, BLUE, 1);
    await one!.fabric.setTunnel(desiredOf(one!, [fresh, ...peers], hosts));
    for (const { pod } of peers) assert(await fresh.pod.reaches(pod.ip), `ping of ${pod.ip}`);
  });
});

Deno.test("what was learned of a network is gone before its local tag is another one's", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    await setOverlays([one!, two!], placed);
    assert(await placed[0]!.pod.pings("10.5.5.2"));
    const learned = async () => {
      const text = await one!.ovs.ofctl("dump-flows", "contivTunnel");
      return text.split("\n").filter((line) => line.includes("table=2") && /dl_dst/.test(line));
    };
    assertEquals((await learned()).length > 0, true);
    const { localIp, hosts } = desiredOf(one!, placed);
    const reused = { vni: RED, localTag: localTag(one!, BLUE), members: [] };
    await one!.fabric.setTunnel({ localIp, hosts, networks: [reused] });
    assertEquals(await learned(), []);
  });
});

Deno.test("what is for all goes only to hosts with members, known MACs go to one", async () => {
  await withFabricHosts({ count: 3, driver: "jsonrpc" }, async (one, two, three) => {
    const placed = [
      await place(one!, BLUE, 1),
      await place(one!, RED, 1),
      await place(two!, BLUE, 2),
      await place(three!, RED, 3),
      await place(two!, RED, 2),
    ];
    const [blue1, red1] = placed.map(({ pod }) => pod);
    await setOverlays([one!, two!, three!], placed);
    await using out = await sniff(one!.name, "nic0", `src ${one!.vtep} and udp dst port 4789`);
    await blue1!.pings("10.5.5.9");
    await red1!.pings("10.5.5.8");
    assert(await red1!.reaches("10.5.5.2"));
    await out.seen(/10\.5\.5\.1 > 10\.5\.5\.2: ICMP echo request/);
    // A pod repeats its request once a second without an answer.
    const to = (what: string) =>
      [
        ...new Set(
          out.lines.flatMap((line, at) => line.includes(what) ? [outerOf(out.lines, at)] : []),
        ),
      ]
        .sort();
    assertEquals(to("who-has 10.5.5.9 "), [`1001 ${two!.vtep}`]);
    assertEquals(to("who-has 10.5.5.8 "), [`1002 ${two!.vtep}`, `1002 ${three!.vtep}`]);
    assertEquals(to("ICMP echo request"), [`1002 ${two!.vtep}`]);
  });
});

Deno.test("a frame with a foreign VNI or from a VTEP of no host reaches no pod", async () => {
  await withFabricHosts({ count: 3, driver: "jsonrpc" }, async (one, two, three) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    const [a, b] = placed.map(({ pod }) => pod);
    await setOverlays([one!, two!], placed);
    // Host three, which the others know nothing of, says by itself that it is of blue, and that red is at host one.
    const strangers = [await place(three!, BLUE, 3), await place(three!, RED, 4)];
    const [blue3, red4] = strangers.map(({ pod }) => pod);
    const lies = [...placed, { ...placed[0]!, vni: RED }, ...strangers];
    await three!.fabric.setTunnel(desiredOf(three!, lies));
    await using atA = await sniff(a!.id, "eth0");
    await using wire = await sniff(one!.name, "nic0", vniIs(BLUE));
    await using wireRed = await sniff(one!.name, "nic0", vniIs(RED));
    assertEquals(await blue3!.pings(a!.ip), false);
    assertEquals(await red4!.pings(a!.ip), false);
    assert(await b!.reaches(a!.ip));
    await atA.seen(/10\.5\.5\.1 > 10\.5\.5\.2: ICMP echo reply/);
    await wire.seen(/10\.5\.5\.3 > 10\.5\.5\.1: ICMP echo request/);
    await wireRed.seen(/10\.5\.5\.4 > 10\.5\.5\.1: ICMP echo request/);
    const strange = atA.lines.filter((line) =>
      line.includes(blue3!.mac) || line.includes(red4!.mac)
    );
    assertEquals(strange, []);
  });
});

Deno.test("a pod that moves to another host is reached there at once, and leaves nothing behind", async () => {
  await withFabricHosts({ count: 3, driver: "jsonrpc" }, async (one, two, three) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    const [a, b] = placed.map(({ pod }) => pod);
    const all = [one!, two!, three!];
    await setOverlays(all, placed);
    assert(await a!.reaches("10.5.5.2"));
    await two!.unplug(b!);
    const moved = [placed[0]!, await place(three!, BLUE, 2)];
    await setOverlays(all, moved);
    assert(await a!.reaches("10.5.5.2"), "first ping after the move");
    const left = (await flowsOf(two!, "contivTunnel")).filter((line) => !/tun_src=/.test(line));
    assertEquals(left.length, 1, "only the drop, and the flows for incoming tunnels, are left");
    assertEquals((await flowsOf(two!, "contivBridge")).length, 1, "only the drop is left");
  });
});

Deno.test("a host that changes its tunnel address is followed", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    const [a, b] = placed.map(({ pod }) => pod);
    await setOverlays([one!, two!], placed);
    assert(await a!.reaches(b!.ip));
    const [old, fresh] = [two!.vtep, "192.168.77.22"];
    await two!.run("ip", "address", "del", `${old}/24`, "dev", "underlay");
    await two!.run("ip", "address", "add", `${fresh}/24`, "dev", "underlay");
    two!.vtep = fresh;
    await setOverlays([one!, two!], placed);
    assert(await a!.reaches(b!.ip), "first ping to the new address");
    const text = await one!.ovs.ofctl("dump-flows", "contivTunnel");
    assertEquals(text.includes(`${old}-`), false);
    assertStringIncludes(text, fresh);
  });
});

Deno.test("setTunnel() restores the neighbours of ovs-vswitchd when that has forgotten them", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    const [a, b] = placed.map(({ pod }) => pod);
    await setOverlays([one!, two!], placed);
    await one!.ovs.appctl("tnl/neigh/flush");
    await one!.fabric.setTunnel(desiredOf(one!, placed));
    assertStringIncludes(await one!.ovs.appctl("tnl/neigh/show"), two!.vtep);
    assert(await a!.reaches(b!.ip), "first ping");
  });
});

Deno.test("an address that answers no ARP is reported, and delays the others but once", async () => {
  await withFabricHosts({ count: 2, driver: "jsonrpc" }, async (one, two) => {
    const placed = [await place(one!, BLUE, 1), await place(two!, BLUE, 2)];
    const [a, b] = placed.map(({ pod }) => pod);
    await two!.fabric.setTunnel(desiredOf(two!, placed));
    const desired = desiredOf(one!, placed);
    const lost = ["192.168.77.99", "203.0.113.9"].map((vtep, n) => ({
      ip: `10.5.5.9${n}`,
      mac: `02:02:0a:05:05:9${n}`,
      vtep,
    }));
    const networks = desired.networks.map((one) => ({
      ...one,
      members: [...one.members, ...lost],
    }));
    const first = await timed(() => one!.fabric.setTunnel({ ...desired, networks }));
    assert(await a!.reaches(b!.ip), "first ping");
    const again = await timed(() => one!.fabric.setTunnel({ ...desired, networks }));
    assertEquals(first.result.unreachable, lost.map(({ vtep }) => vtep));
    assertEquals(again.result.unreachable, first.result.unreachable);
    assert(first.ms < 3_000 && again.ms < 800, `${first.ms} and ${again.ms} ms`);
  });
});

/** The VNI and outer destination of the inner frame that tcpdump prints in line `at`. */
function outerOf(lines: readonly string[], at: number): string {
  const outer = /> (\S+)\.4789: VXLAN.*vni (\d+)/.exec(lines[at - 1] ?? "") ??
    /> (\S+)\.4789: VXLAN.*vni (\d+)/.exec(lines[at] ?? "");
  return `${outer?.[2]} ${outer?.[1]}`;
}

async function flowsOf({ ovs }: FabricHost, bridge: string): Promise<string[]> {
  const text = await ovs.ofctl("dump-flows", bridge, "--no-stats");
  return text.split("\n").filter((line) => line.includes("actions="));
}

/** Age of the youngest flow in seconds; one that was deleted and came back is younger than before. */
async function youngestOf({ ovs }: FabricHost): Promise<number> {
  const text = await ovs.ofctl("dump-flows", "contivTunnel");
  return Math.min(...[...text.matchAll(/duration=([\d.]+)s/g)].map(([, age]) => Number(age)));
}

/** Number of the configuration, and flows. */
async function worldOf(host: FabricHost): Promise<unknown> {
  const rows = await host.ovs.vsctl("--columns=next_cfg", "list", "Open_vSwitch");
  return {
    rows,
    flows: [await flowsOf(host, "contivBridge"), await flowsOf(host, "contivTunnel")],
  };
}

/** A tunnel with so many networks and members, on ten VTEPs. */
function largeWish({ vtep }: FabricHost, networks: number, members: number): DesiredTunnel {
  const each = (count: number) => Array.from({ length: count }, (_, n) => n);
  return {
    localIp: vtep,
    hosts: [],
    networks: each(networks).map((net) => ({
      vni: 5_000 + net,
      localTag: 3_000 + net,
      members: each(members).map((n) => ({
        ip: `10.6.${net}.${n + 1}`,
        mac: `02:02:0a:06:${hex(net)}:${hex(n)}`,
        vtep: `192.168.77.${200 + n % 10}`,
      })),
    })),
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const startMs = performance.now();
  const result = await work();
  return { result, ms: Math.round(performance.now() - startMs) };
}
