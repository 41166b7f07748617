// The gratuitous ARP of a new port, as another port of its network gets it, by both drivers.

import { assertEquals, assertMatch } from "@std/assert";
import { type DriverName, startFabricHost } from "../lab/fabric_host.ts";
import { sniff } from "../lab/sniff.ts";

const DRIVERS: readonly DriverName[] = ["jsonrpc", "vsctl"];
const [BLUE, RED] = [110, 120];
// tcpdump has two ways to print it, by its version.
const announcement = (ip: string) =>
  new RegExp(`ARP.* (Announcement ${ip}|Request who-has ${ip} tell ${ip}),`);

for (const driver of DRIVERS) {
  Deno.test(`${driver}: a new port is announced once to its own network, each address by a frame`, async () => {
    const dir = await Deno.makeTempDir();
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const host = stack.use(await startFabricHost(dir, { n: 1, driver }));
    const blue = await host.pod("blue", { ip: "10.8.8.2", mac: "02:02:08:08:08:02", tag: BLUE });
    const red = await host.pod("red", { ip: "10.8.8.3", mac: "02:02:08:08:08:03", tag: RED });
    await using atBlue = await sniff(blue.id, "eth0", "arp");
    await using atRed = await sniff(red.id, "eth0", "arp");
    const pod = await host.pod("new", { ip: "10.8.8.1", mac: "02:02:08:08:08:01", tag: BLUE });
    const frame = await atBlue.seen(announcement("10.8.8.1"));
    assertMatch(frame, /02:02:08:08:08:01 > ff:ff:ff:ff:ff:ff/);
    await host.switch.removePorts([pod.spec.name]);
    await host.switch.addPort({ ...pod.spec, addresses: ["10.8.8.1", "10.8.8.11"] });
    await atBlue.seen(announcement("10.8.8.11"));
    // Both are in the order of sending: a third frame would be there by now.
    const announced = atBlue.lines.filter((line) => line.includes("02:02:08:08:08:01"));
    assertEquals(announced.length, 3, announced.join("\n"));
    assertEquals(atRed.lines.filter((line) => line.includes("ARP")), []);
  });
}
