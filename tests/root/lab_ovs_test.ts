// The lab's own Open vSwitch: what every other test with one relies on.

import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { startOvs } from "../lab/ovs.ts";

Deno.test("a lab switch forwards between two namespaces, also after kill -9 of ovs-vswitchd", async () => {
  const dir = await Deno.makeTempDir();
  const pods = ["lab-ovs-a", "lab-ovs-b"];
  await using ovs = await startOvs(dir);
  try {
    await ovs.vsctl("add-br", "lab-br", "--", "set", "bridge", "lab-br", "datapath_type=netdev");
    for (const [at, pod] of pods.entries()) await addPod(pod, `lab-h${at}`, `10.9.9.${at + 1}/24`);
    await ovs.vsctl("add-port", "lab-br", "lab-h0", "--", "add-port", "lab-br", "lab-h1");
    await ping("lab-ovs-a", "10.9.9.2");
    assertStringIncludes(await ovs.ofctl("show", "lab-br"), "lab-h1");
    const before = ovs.vswitchdPid;
    await ovs.killVswitchd();
    await ovs.startVswitchd();
    assertNotEquals(ovs.vswitchdPid, before);
    assertStringIncludes(await ovs.appctl("dpif/show"), "lab-h0");
    await ping("lab-ovs-a", "10.9.9.2");
  } finally {
    await ovs.stop();
    for (const pod of pods) await run("ip", ["netns", "del", pod]);
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("two lab switches in two named namespaces do not see each other's bridges", async () => {
  const dir = await Deno.makeTempDir();
  const hosts = ["lab-ovs-1", "lab-ovs-2"] as const;
  for (const host of hosts) await run("ip", ["netns", "add", host]);
  try {
    await using one = await startOvs(`${dir}/1`, { netns: hosts[0] });
    await using two = await startOvs(`${dir}/2`, { netns: hosts[1], ctl: "plain" });
    await one.vsctl("add-br", "same", "--", "set", "bridge", "same", "datapath_type=netdev");
    assertEquals(await two.vsctl("list-br"), "");
    assertStringIncludes(await run("ip", ["-n", hosts[0], "link", "show", "same"]), "same");
    assertEquals(await two.appctl("dpif/dump-dps"), "");
    await one.killOvsdb();
    await one.startOvsdb();
    assertEquals(await one.vsctl("list-br"), "same");
  } finally {
    for (const host of hosts) await run("ip", ["netns", "del", host]);
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a lab switch that cannot start says why and leaves no process", async () => {
  const dir = await Deno.makeTempDir();
  await assertRejects(() => startOvs(dir, { netns: "lab-nowhere" }), Error, "lab-nowhere");
  await Deno.remove(dir, { recursive: true });
});

async function addPod(pod: string, hostEnd: string, address: string): Promise<void> {
  await run("ip", ["netns", "add", pod]);
  await run("ip", ["link", "add", hostEnd, "type", "veth", "peer", "name", "eth0", "netns", pod]);
  await run("ip", ["link", "set", hostEnd, "up"]);
  const batch = `addr add ${address} dev eth0\nlink set eth0 up\n`;
  await run("ip", ["-n", pod, "-batch", "-"], { stdin: batch });
}

async function ping(from: string, to: string): Promise<void> {
  const words = ["netns", "exec", from, "ping", "-c", "5", "-i", "0.2", "-w", "5", to];
  await run("ip", words, { limitMs: 10_000 });
}
