// Pairs made, repaired and seen: one suite over both drivers, compared with what `ip` says.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { openLinks } from "../../lib/net/open_links.ts";
import { run } from "../../lib/util/run.ts";
import { linkHere, makeSandbox } from "../lab/sandbox.ts";

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

  Deno.test(`${driver}: a pair has at both ends what its spec says`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    const host = await linkHere(spec.hostEnd);
    const pod = await sandbox.link();
    assert(host && pod);
    assertEquals([host.peerIndex, pod.peerIndex], [pod.index, host.index]);
    assertEquals([host.mtu, pod.mtu], [1400, 1400]);
    assertEquals([host.alias, host.group], [spec.alias, "default"]);
    assertEquals([pod.mac, pod.ipv4], [spec.mac, spec.addresses]);
    assert(host.flags.includes("LOWER_UP") && pod.flags.includes("LOWER_UP"));
    assert((await sandbox.link("lo"))?.flags.includes("UP"));
    assertEquals(
      (await sandbox.run("ip", "route", "show", "default")).trim(),
      "default via 11.1.0.1 dev eth0",
    );
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a host end takes no IPv6 address and listens to no router`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    const host = await linkHere(spec.hostEnd);
    assertEquals([host?.ipv6, host?.addrGenMode], [[], "none"]);
    const folder = `/proc/sys/net/ipv6/conf/${spec.hostEnd}`;
    assertEquals((await Deno.readTextFile(`${folder}/accept_ra`)).trim(), "0");
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a pod end announces itself`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    const setting = "/proc/sys/net/ipv4/conf/eth0/arp_notify";
    assertEquals((await sandbox.run("cat", setting)).trim(), "1");
    await links.removeLinks([spec.hostEnd]);
  });

  for (const checksumOffload of [true, false]) {
    Deno.test(`${driver}: checksum offload ${checksumOffload} is what the pod end has`, async () => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec({ checksumOffload });
      await links.createPair(spec);
      const features = await sandbox.run("ethtool", "-k", "eth0");
      const wanted = checksumOffload ? "on" : "off";
      assertEquals(/^tx-checksumming: (\w+)/m.exec(features)?.[1], wanted);
      assertEquals(/^\ttx-tcp-segmentation: (\w+)/m.exec(features)?.[1], wanted);
      await links.removeLinks([spec.hostEnd]);
    });
  }

  const shapes = [
    { addresses: ["10.4.0.7/16"], gateway: "10.4.0.1", mtu: 68 },
    { addresses: ["11.1.0.2/24", "11.1.9.2/24"], gateway: "11.1.9.1", mtu: 65_535 },
    { addresses: ["192.0.2.9/32"], gateway: "192.0.2.1", mtu: 1450 },
    { addresses: ["11.1.0.2/24"], gateway: undefined, mtu: 1280 },
    { addresses: [], gateway: undefined, mtu: 1279 },
  ];
  for (const { addresses, gateway, mtu } of shapes) {
    const words = `${addresses.join(" and ") || "no address"}, gateway ${gateway}, MTU ${mtu}`;
    Deno.test(`${driver}: a pair may have ${words}`, async () => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec({ addresses, gateway, mtu });
      await links.createPair(spec);
      const [host, pod] = [await linkHere(spec.hostEnd), await sandbox.link()];
      assertEquals([pod?.ipv4, pod?.mtu, host?.mtu], [addresses, mtu, mtu]);
      const route = await sandbox.run("ip", "route", "show", "default");
      const onLink = addresses.some((each) => each.endsWith("/32")) ? " onlink" : "";
      assertEquals(route.trim(), gateway ? `default via ${gateway} dev eth0${onLink}` : "");
      await links.ensurePodSide(spec);
      assertEquals(await sandbox.run("ip", "route", "show", "default"), route);
      await links.removeLinks([spec.hostEnd]);
    });
  }

  Deno.test(`${driver}: what was changed by hand is put right, twice alike`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ addresses: ["11.1.0.2/24", "12.1.0.2/16"] });
    await links.createPair(spec);
    // A down and up, or a small MTU, gives IPv6 addresses a new life; they are the pod's own matter.
    const bothEnds = async () => [
      await linkHere(spec.hostEnd),
      { ...await sandbox.link(), ipv6: undefined },
    ];
    const before = await bothEnds();
    const spoils = [
      "ip address flush dev eth0",
      "ip address del 12.1.0.2/16 dev eth0",
      "ip link set dev eth0 down",
      "ip route del default",
      "ip link set dev eth0 address 02:00:00:00:00:09 mtu 900",
      "ethtool -K eth0 tx on",
      "ip route replace default via 11.1.0.77",
    ].map((words) => words.split(" "));
    for (const [cmd = "", ...args] of spoils) {
      await sandbox.run(cmd, ...args);
      await links.ensurePodSide(spec);
      await links.ensurePodSide(spec);
      assertEquals(await bothEnds(), before, args.join(" "));
      const route = await sandbox.run("ip", "route", "show", "default");
      assertEquals(route.trim(), "default via 11.1.0.1 dev eth0", args.join(" "));
      const features = await sandbox.run("ethtool", "-k", "eth0");
      assertEquals(/^tx-checksumming: (\w+)/m.exec(features)?.[1], "off", args.join(" "));
    }
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a host end that was switched off or renamed in words is put right`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    const change = ["alias", "k8contivnet:old", "mtu", "1000", "down"];
    await run("ip", ["link", "set", "dev", spec.hostEnd, ...change]);
    await links.ensurePodSide(spec);
    const host = await linkHere(spec.hostEnd);
    assertEquals([host?.alias, host?.mtu, host?.ipv6], [spec.alias, 1400, []]);
    assert(host?.flags.includes("UP"));
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: an address that somebody added stays`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    await sandbox.run("ip", "address", "add", "172.16.0.1/30", "dev", "eth0");
    await links.ensurePodSide(spec);
    assertEquals((await sandbox.link())?.ipv4, ["11.1.0.2/24", "172.16.0.1/30"]);
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a pair that was cut off before its alias is seen, finished and removed`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    const end = ["link", "add", "name", spec.hostEnd, "group", String(0x6b386376)];
    const peer = ["type", "veth", "peer", "name", "eth0", "netns", sandbox.netns];
    await run("ip", [...end, ...peer]);
    const seen = (await links.hostEnds()).find(({ name }) => name === spec.hostEnd);
    assertEquals(seen, { name: spec.hostEnd, alias: "", isUp: false, mtu: 1500 });
    await links.ensurePodSide(spec);
    assertEquals((await linkHere(spec.hostEnd))?.group, "default");
    assertEquals((await sandbox.link())?.mac, spec.mac);
    await links.removeLinks([spec.hostEnd]);
    assertEquals(await linkHere(spec.hostEnd), undefined);
    await run("ip", [...end, ...peer]);
    await links.removeLinks([spec.hostEnd]);
    assertEquals(await linkHere(spec.hostEnd), undefined);
  });

  Deno.test(`${driver}: an alias longer than Linux keeps is cut, and the link is still ours`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec({ alias: `k8contivnet:${"x".repeat(400)}` });
    await links.createPair(spec);
    assertEquals((await linkHere(spec.hostEnd))?.alias, spec.alias.slice(0, 255));
    await links.ensurePodSide(spec);
    await links.removeLinks([spec.hostEnd]);
    assertEquals(await linkHere(spec.hostEnd), undefined);
  });

  Deno.test(`${driver}: hostEnds() names our links only`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await run("ip", ["link", "add", "foreign0", "type", "veth", "peer", "name", "foreign1"]);
    await run("ip", ["link", "set", "foreign0", "alias", "somebody:k8contivnet:"]);
    try {
      await links.createPair(spec);
      assertEquals(await links.hostEnds(), [
        { name: spec.hostEnd, alias: spec.alias, isUp: true, mtu: 1400 },
      ]);
      await run("ip", ["link", "set", spec.hostEnd, "down"]);
      assertEquals((await links.hostEnds())[0]?.isUp, false);
    } finally {
      await links.removeLinks([spec.hostEnd]);
      await run("ip", ["link", "del", "foreign0"]);
    }
    assertEquals(await links.hostEnds(), []);
  });

  Deno.test(`${driver}: podLinks() tells of ours and of others'`, async () => {
    await using sandbox = await makeSandbox();
    assertEquals(await links.podLinks(sandbox.netns), []);
    const spec = sandbox.spec({ interface: "net1", addresses: ["11.1.0.2/24", "11.1.0.3/32"] });
    await sandbox.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far");
    await sandbox.run("ip", "link", "set", "eth0", "address", "02:42:ac:11:00:02");
    await sandbox.run("ip", "address", "add", "172.17.0.2/16", "dev", "eth0");
    await sandbox.run("ip", "address", "add", "2001:db8::1/64", "dev", "eth0");
    await links.createPair(spec);
    const seen = await links.podLinks(sandbox.netns);
    assertEquals(seen.map(({ name }) => name).sort(), ["eth0", "far", "net1"]);
    assertEquals(seen.find(({ name }) => name === "eth0"), {
      name: "eth0",
      mac: "02:42:ac:11:00:02",
      mtu: 1500,
      isUp: false,
      addresses: ["172.17.0.2/16"],
    });
    const { mac, mtu, addresses } = spec;
    const ours = seen.find(({ name }) => name === "net1");
    assertEquals(ours, { name: "net1", mac, mtu, isUp: true, addresses });
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a namespace may be named by a process of its own`, async () => {
    await using sandbox = await makeSandbox();
    const child = new Deno.Command("nsenter", {
      args: [`--net=${sandbox.netns}`, "sh", "-c", "echo in; exec sleep 60"],
      stdout: "piped",
    }).spawn();
    try {
      await child.stdout.getReader().read();
      const spec = sandbox.spec({ netns: `/proc/${child.pid}/ns/net` });
      await links.createPair(spec);
      await links.ensurePodSide(spec);
      assertEquals((await links.podLinks(spec.netns)).map(({ name }) => name), ["eth0"]);
      assertEquals((await sandbox.link())?.ipv4, spec.addresses);
      await links.removeLinks([spec.hostEnd]);
    } finally {
      child.kill("SIGKILL");
      await child.status;
      await child.stdout.cancel().catch(() => {});
    }
  });

  Deno.test(`${driver}: linkMtu() finds the link of an address of this namespace`, async () => {
    await run("ip", ["link", "add", "vtep0", "mtu", "1476", "type", "veth"]);
    try {
      await run("ip", ["address", "add", "198.51.100.7/24", "dev", "vtep0"]);
      await run("ip", ["address", "add", "198.51.100.8/24", "dev", "vtep0"]);
      assertEquals(await links.linkMtu("198.51.100.7"), 1476);
      assertEquals(await links.linkMtu("198.51.100.8"), 1476);
      assertEquals(await links.linkMtu("198.51.100.9"), undefined);
      assertNotEquals(await links.linkMtu("127.0.0.1"), undefined);
    } finally {
      await run("ip", ["link", "del", "vtep0"]);
    }
  });

  Deno.test(`${driver}: defaultRouteLinks() names the links that carry a default route`, async () => {
    assertEquals(await links.defaultRouteLinks(), []);
    await run("ip", ["link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
    await run("ip", ["link", "add", "up2", "type", "veth", "peer", "name", "up3"]);
    try {
      for (const name of ["up0", "up1", "up2", "up3"]) await run("ip", ["link", "set", name, "up"]);
      await run("ip", ["address", "add", "198.51.100.7/24", "dev", "up0"]);
      await run("ip", ["route", "add", "default", "via", "198.51.100.1", "metric", "7"]);
      assertEquals(await links.defaultRouteLinks(), ["up0"]);
      await run("ip", ["-6", "route", "add", "default", "dev", "up2"]);
      assertEquals((await links.defaultRouteLinks()).sort(), ["up0", "up2"]);
      await run("ip", ["-6", "route", "del", "default", "dev", "up2"]);
      await run("ip", ["address", "add", "203.0.113.7/24", "dev", "up2"]);
      const ways = ["nexthop", "via", "198.51.100.1", "nexthop", "via", "203.0.113.1"];
      await run("ip", ["route", "add", "default", ...ways]);
      await run("ip", ["route", "del", "default", "via", "198.51.100.1", "metric", "7"]);
      assertEquals((await links.defaultRouteLinks()).sort(), ["up0", "up2"]);
    } finally {
      await run("ip", ["link", "del", "up0"]);
      await run("ip", ["link", "del", "up2"]);
    }
  });
}
