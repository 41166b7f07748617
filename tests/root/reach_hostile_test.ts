// Pods that claim to be their gateway, or to be hosts, or that flood: others reach what they reached, and the
// hostile pod reaches no more.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pingOn } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { OUTSIDE_ADDRESS, OUTSIDE_LINK } from "../lab/reach/outside.ts";
import { ReachWorld } from "../lab/reach/reach_world.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const GATEWAY = "10.1.1.254";

/** Runs `work` while a pod has one address more. */
async function withAddress(pod: Pod, address: string, work: () => Promise<void>): Promise<void> {
  await pod.run("ip", "address", "add", `${address}/32`, "dev", "eth0");
  try {
    await work();
  } finally {
    await pod.run("ip", "address", "del", `${address}/32`, "dev", "eth0");
  }
}

async function gatewayMac(pod: Pod): Promise<string | undefined> {
  await pod.run("ip", "neigh", "flush", "dev", "eth0");
  await pod.run("ping", "-c1", "-W5", "-q", OUTSIDE_ADDRESS);
  const { text } = await pod.run("ip", "neigh", "show", GATEWAY);
  return /lladdr (\S+)/.exec(text)?.[1];
}

Deno.test("a pod that claims its gateway's address or MAC gets nothing of others", async (t) => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const mac = await gatewayMac(world.pod("a1"));
  assertStringIncludes(mac ?? "", "02:02:");
  for (const [hostile, others] of [["a2", ["a1", "a3"]], ["b2", ["b1", "b3", "a1"]]] as const) {
    const pod = world.pod(hostile);
    const announce = ["busybox", "arping", "-U", "-c2", "-w3", "-I", "eth0", GATEWAY] as const;
    await t.step(`${hostile} announces itself as the gateway`, async () => {
      const before = await Promise.all(others.map((name) => gatewayMac(world.pod(name))));
      await withAddress(pod, GATEWAY, async () => {
        await pod.run(...announce);
        const after = await Promise.all(others.map((name) => gatewayMac(world.pod(name))));
        assertEquals(after, before);
      });
      for (const name of others) assert(await world.pod(name).reaches(OUTSIDE_ADDRESS), name);
    });
    await t.step(`${hostile} takes the gateway's MAC`, async () => {
      const own = (await pod.run("cat", "/sys/class/net/eth0/address")).text.trim();
      await pod.run("ip", "link", "set", "eth0", "address", mac ?? "");
      assert(!await pod.pings(OUTSIDE_ADDRESS));
      await pod.run(...announce);
      for (const name of others) assert(await world.pod(name).reaches(OUTSIDE_ADDRESS), name);
      await pod.run("ip", "link", "set", "eth0", "address", own);
      await waitFor(`${hostile} to reach outside as before`, () => pod.pings(OUTSIDE_ADDRESS));
    });
  }
});

Deno.test("a pod with a host's or an alias's address is not answered, and none passes for its twin", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  for (const pod of [world.pod("a1"), world.pod("b1")]) {
    for (const name of ["NODE of host1", "NODE of host2", "NAT of host1", "alias of b1"]) {
      const address = world.address(name);
      await withAddress(pod, address, async () => {
        await Promise.all(["10.1.1.2", "10.1.1.3", OUTSIDE_ADDRESS].map(async (to) => {
          const { code } = await pod.run("ping", "-c1", "-W1", "-q", "-I", address, to);
          assert(code !== 0, `${pod.name} as ${name} to ${to}`);
        }));
      });
    }
    assert(await pod.reaches(OUTSIDE_ADDRESS));
  }
  // Open vSwitch's userspace datapath does not track fragments that are so small.
  const aliased = world.pod("b1");
  const { netns } = world.hostOf("b1");
  await using sniffer = await sniff(netns, "contivHost", "icmp and src net 10.1.1.0/24");
  await aliased.run("ip", "link", "set", "eth0", "mtu", "600");
  await aliased.run("ping", "-c2", "-i0.2", "-W1", "-s1400", OUTSIDE_ADDRESS);
  assert(await world.pod("a1").reaches(OUTSIDE_ADDRESS));
  await sniffer.hears(`10.1.1.1 > ${OUTSIDE_ADDRESS}: ICMP echo request`);
  assertEquals(sniffer.lines().filter((line) => !/length 98: .* ICMP echo request/.test(line)), []);
});

Deno.test("a stranger that claims addresses of services, pods or hosts reaches no pod, whatever is open for it", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const [host, host1] = [world.hostOf("host1"), world.address("host1")];
  const inHost = (...words: string[]) => run("ip", ["netns", "exec", host.netns, ...words]);
  // As hostPorts are opened; the host believes any source.
  const open = { "30090": "10.1.1.1:8080", "30091": "10.1.1.2:8080" };
  for (const [port, to] of Object.entries(open)) {
    const rule = ["-p", "udp", "--dport", port, "-j", "DNAT", "--to-destination", to];
    await inHost("iptables-nft", "-t", "nat", "-I", "PREROUTING", ...rule);
  }
  for (const link of ["all", OUTSIDE_LINK]) {
    await inHost("sysctl", "-qw", `net.ipv4.conf.${link}.rp_filter=0`);
  }
  const arrived = await Promise.all(["a1", "a2"].map((name) => {
    return sniff(world.pod(name).id, "eth0", "udp dst port 8080");
  }));
  await using stack = new AsyncDisposableStack();
  for (const one of arrived) stack.use(one);
  const seen = () => arrived.flatMap((one) => one.lines());
  const send = (port: string) =>
    world.outside.run("bash", "-c", `exec 3<>/dev/udp/${host1}/${port}; echo x >&3`);
  const ip = (...words: string[]) => run("ip", ["-n", world.outside.id, ...words]);
  assert(await world.outside.reaches(host1));
  const names = ["alias of b1", "NODE of host1", "NODE of host2", "NAT of host2"];
  for (
    const claimed of [
      "10.96.0.21",
      "10.1.1.1",
      "10.1.1.3",
      ...names.map((one) => world.address(one)),
    ]
  ) {
    await ip("address", "add", `${claimed}/32`, "dev", "lo");
    await ip("route", "replace", `${host1}/32`, "dev", "net", "src", claimed);
    for (const port of Object.keys(open)) await send(port);
    await ip("address", "del", `${claimed}/32`, "dev", "lo");
  }
  await ip("route", "replace", `${host1}/32`, "dev", "net", "src", OUTSIDE_ADDRESS);
  await send("30090");
  await arrived[0]!.hears(`${OUTSIDE_ADDRESS}.`);
  assertEquals(seen().filter((line) => !line.includes(` ${OUTSIDE_ADDRESS}.`)), []);
});

Deno.test("a pod that floods its gateway ends no other pod's traffic", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  await using pings = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.1);
  const flood = (to: string) => world.pod("b1").run("ping", "-f", "-q", "-w", "4", to);
  await Promise.all([flood(OUTSIDE_ADDRESS), flood(world.address("NODE of host1"))]);
  const { last } = pings;
  await waitFor("answers behind the flood", () => pings.last > last + 10);
  assert(pings.answered > pings.last * 0.8, `${pings.answered} of ${pings.last}`);
  const answer = await world.talker("a1").asksWho("tcp", "10.96.0.21", 80, { limitMs: 12_000 });
  assertEquals(answer, "a3 saw 10.1.1.1");
});
