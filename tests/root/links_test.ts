// Both drivers of real links: their contract, and what only a real kernel has: IPv6, checksums, routes of
// several kinds, namespaces of processes. Compared with what `ip` says.

import { assert, assertEquals } from "@std/assert";
import { openLinks } from "../../lib/net/open_links.ts";
import { run } from "../lab/run.ts";
import { kernelBench } from "../contract/kernel_links_bench.ts";
import { linksContract } from "../contract/links_contract.ts";
import { linkHere, makeSandbox } from "../lab/sandbox.ts";

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

  linksContract(driver, () => kernelBench(driver));

  Deno.test(`${driver}: a pair brings up the loopback of its sandbox`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    assert((await sandbox.link("lo"))?.flags.includes("UP"));
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

  Deno.test(`${driver}: checksum offload that was turned on by hand is turned off again`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    await sandbox.run("ethtool", "-K", "eth0", "tx", "on");
    for (let round = 0; round < 2; round++) {
      await links.ensurePodSide(spec);
      const features = await sandbox.run("ethtool", "-k", "eth0");
      assertEquals(/^tx-checksumming: (\w+)/m.exec(features)?.[1], "off");
    }
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: a host end that is repaired still has no IPv6 address`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    await run("ip", ["link", "set", "dev", spec.hostEnd, "mtu", "1000", "down"]);
    await links.ensurePodSide(spec);
    const host = await linkHere(spec.hostEnd);
    assertEquals([host?.mtu, host?.ipv6, host?.addrGenMode], [1400, [], "none"]);
    await links.removeLinks([spec.hostEnd]);
  });

  Deno.test(`${driver}: podLinks() leaves IPv6 addresses out`, async () => {
    await using sandbox = await makeSandbox();
    await sandbox.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "far");
    await sandbox.run("ip", "address", "add", "172.17.0.2/16", "dev", "eth0");
    await sandbox.run("ip", "address", "add", "2001:db8::1/64", "dev", "eth0");
    const seen = await links.podLinks(sandbox.netns);
    assertEquals(seen.find(({ name }) => name === "eth0")?.addresses, ["172.17.0.2/16"]);
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
