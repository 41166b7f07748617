// What happens to a host's stack and switch in months: flushed rules, settings and links changed by others, ended
// processes. Pods reach the world outside again, and meanwhile nobody reaches more than before.

import { assert, assertEquals } from "@std/assert";
import { type ClusterHost, UNDERLAY } from "../lab/cluster/host.ts";
import { pingOn } from "../lab/pings.ts";
import { HAND_BRIDGE, makeHandBridge, plugByHand, putFlowsBack } from "../lab/hand_bridge.ts";
import { FACTOR, scaled } from "../lab/limits.ts";
import { OUTSIDE_ADDRESS, OUTSIDE_LINK, outsideAddress } from "../lab/reach/outside.ts";
import { ReachWorld, SERVICES } from "../lab/reach/reach_world.ts";
import { writeServiceRules } from "../lab/reach/services.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const inHost = ({ netns }: ClusterHost, ...words: string[]) =>
  run("ip", ["netns", "exec", netns, ...words]);

const ip = ({ netns }: ClusterHost, ...words: string[]) => run("ip", ["-n", netns, ...words]);

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** What befalls host 1. */
const FAULTS: Readonly<Record<string, (host: ClusterHost) => Promise<unknown>>> = {
  "all rules are flushed": async (host) => {
    await inHost(host, "nft", "flush", "ruleset");
    await writeServiceRules(host, SERVICES); // as kube-proxy does
  },
  "its own table is deleted": (host) => inHost(host, "nft", "delete", "table", "ip", "k8contivnet"),
  "its sets are emptied": (host) =>
    inHost(host, "nft", "flush", "set", "ip", "k8contivnet", "leaving"),
  "forwarding is switched off": (host) => inHost(host, "sysctl", "-qw", "net.ipv4.ip_forward=0"),
  "the link is set down": (host) => ip(host, "link", "set", "contivHost", "down"),
  "the link is renamed": async (host) => {
    await ip(host, "link", "set", "contivHost", "down");
    await ip(host, "link", "set", "contivHost", "name", "other");
  },
  "the link is deleted": (host) => ip(host, "link", "del", "contivHost"),
  "its addresses are removed": (host) => ip(host, "address", "flush", "dev", "contivHost"),
  "its routes are removed": (host) => ip(host, "route", "flush", "dev", "contivHost"),
  "the next hop is forgotten": (host) =>
    ip(host, "neighbour", "del", "169.254.1.1", "dev", "contivHost"),
  "the port is removed": (host) => host.ovs.vsctl("del-port", "contivBridge", "contivHost"),
  "the flows are removed": (host) => host.ovs.ofctl("del-flows", "contivBridge"),
  "ovs-vswitchd is killed": (host) => host.restartVswitchd("kill"),
  "ovs-vswitchd removes its ports at its end": async (host) => {
    const { vswitchdPid } = host.ovs;
    await host.ovs.appctl("exit", "--cleanup");
    await waitFor("its end", () => !isThere(`/proc/${vswitchdPid}`));
    await host.ovs.stopVswitchd();
    await host.ovs.startVswitchd();
    // The tunnel's address is the host's own affair.
    await ip(host, "address", "replace", `${host.vtep}/24`, "dev", UNDERLAY);
    await ip(host, "link", "set", UNDERLAY, "up");
  },
  "the agent is killed": (host) => host.restartAgent("SIGKILL"),
};

Deno.test("pods reach outside again after each fault of their host, and nobody more than before", async (t) => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const host = world.cluster.host(1);
  const asks = (from: string, limitMs: number) =>
    world.talker(from).asksWho("tcp", OUTSIDE_ADDRESS, 8080, { limitMs });
  for (const [fault, befall] of Object.entries(FAULTS)) {
    await t.step(fault, async () => {
      await befall(host);
      for (const pod of ["a1", "b1"]) {
        await waitFor(`${pod} to reach outside`, () => asks(pod, 1_000), { limitMs: 30_000 });
      }
      assertEquals(await asks("d1", 500), undefined);
      const probe = () => world.talker("host1").asksWho("tcp", "10.1.1.2", 8080);
      assertEquals(world.named(await waitFor("a probe", probe) ?? ""), "a2 saw NODE of host1");
      const service = () => world.talker("a1").asksWho("tcp", "10.96.0.21", 80);
      assertEquals(await waitFor("a service", service), "a3 saw 10.1.1.1");
    });
  }
});

/** The chains that Docker's daemon makes with iptables over nftables. */
const DOCKER = [
  ["-N", "DOCKER-USER"],
  ["-A", "FORWARD", "-j", "DOCKER-USER"],
  ["-P", "FORWARD", "DROP"],
];

Deno.test("Docker, and hosts of ours that go", async (t) => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const host = world.cluster.host(1);
  const { agent } = host;
  const pings = () => world.pod("a1").pings(OUTSIDE_ADDRESS);
  const warned = (text: string) =>
    waitFor(`a warning of ${text}`, async () => (await agent.logText()).includes(text), {
      limitMs: 90_000,
    });

  await t.step(
    "Docker drops what the host forwards: the agent says so, and its commands help",
    async () => {
      for (const words of DOCKER) await inHost(host, "iptables-nft", ...words);
      assert(!await pings());
      await host.restartAgent();
      await warned("Docker drops what this host forwards");
      const line = (await agent.logText()).split("\n").find((one) => one.includes("Docker drops"));
      const fix = /iptables -I .*contivHost -j ACCEPT/.exec(line ?? "")?.[0] ?? "";
      await inHost(host, "sh", "-c", fix.replaceAll("iptables ", "iptables-nft "));
      assert(await world.pod("a1").reaches(OUTSIDE_ADDRESS), fix);
      assert(await world.pod("b1").reaches(OUTSIDE_ADDRESS));
      const answer = await world.talker("outside").asksWho("tcp", outsideAddress(1), 30_080);
      assertEquals(world.named(answer ?? ""), "a1 saw NAT of host1");
    },
  );

  await t.step("a host that is removed leaves nothing on the others", async () => {
    const [node, nat] = [world.address("NODE of host2"), world.address("NAT of host2")];
    const mac = `02:02:${node.split(".").map((byte) => hex(Number(byte))).join(":")}`;
    const left = async () => {
      const dumps = await Promise.all([
        host.ovs.ofctl("dump-flows", "contivBridge"),
        host.ovs.ofctl("dump-flows", "contivTunnel"),
        inHost(host, "nft", "list", "ruleset"),
      ]);
      const has = (text: string) => dumps.some((dump) => new RegExp(`${text}\\b`).test(dump));
      return [node, nat, mac].filter(has);
    };
    assertEquals(await left(), [node, nat, mac]);
    await world.cluster.leave(2);
    const { code, err } = await agent.call("gc", "--host", "host2", "--force");
    assertEquals(code, 0, err);
    await waitFor("nothing of host2 to be left", async () => (await left()).length === 0);
    assert(await world.pod("a1").reaches(OUTSIDE_ADDRESS));
  });
});

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

// 50 a second. A few restarts are noisy: where they leave a doubt, more decide.
const [EVERY_SECONDS, RESTARTS, MOST_RESTARTS, NOISE] = [0.02, 6, 18, 1.25];

Deno.test("ovs-vswitchd restarted costs what pods send outside no more than with a bridge made by hand", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan", isGuarded: false });
  const host = world.cluster.host(1);
  const { ovs } = host;
  await makeHandBridge(ovs);
  await using hand = await plugByHand(ovs, 1);
  await putFlowsBack(ovs);
  // Its way outside is the same as ours: by an internal port and the host's stack.
  await ip(host, "address", "add", "10.5.5.254/24", "dev", HAND_BRIDGE);
  await ip(host, "link", "set", HAND_BRIDGE, "up");
  await hand.run("ip", "route", "add", "default", "via", "10.5.5.254");
  await run("ip", [
    "-n",
    world.outside.id,
    "route",
    "add",
    "10.5.5.0/24",
    "via",
    outsideAddress(1),
  ]);
  for (const pod of [hand, world.pod("a1"), world.pod("b1")]) {
    assert(await pod.reaches(OUTSIDE_ADDRESS));
  }
  await using byHand = pingOn(hand, OUTSIDE_ADDRESS, EVERY_SECONDS);
  await using own = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, EVERY_SECONDS);
  await using aliased = pingOn(world.pod("b1"), OUTSIDE_ADDRESS, EVERY_SECONDS);
  const all = [byHand, own, aliased];
  const lost = () => all.map((pings) => pings.missed().length);
  let restarts = 0;
  const isAsGood = () => {
    const [theirs, ...ours] = lost();
    return ours.every((count) => count <= theirs! * NOISE + restarts * FACTOR);
  };
  while (restarts < RESTARTS || !isAsGood() && restarts < MOST_RESTARTS) {
    const before = all.map(({ last }) => last);
    await (restarts++ % 2 === 0 ? ovs.killVswitchd() : ovs.stopVswitchd());
    const script = putFlowsBack(ovs);
    await ovs.startVswitchd();
    await script;
    await waitFor("answers again", () => all.every(({ last }, at) => last > before[at]! + 50), {
      limitMs: 30_000,
    });
  }
  const [byHandLost, ...ours] = lost();
  console.log(`lost in ${restarts} restarts: by hand ${byHandLost}, ours and aliased ${ours}`);
  assert(isAsGood(), `${lost()}`);
});

Deno.test("connected pods lose no packet outside while the agent restarts", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const host = world.cluster.host(1);
  await using own = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.05);
  await using aliased = pingOn(world.pod("b1"), OUTSIDE_ADDRESS, 0.05);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) await host.restartAgent(signal);
  for (const pings of [own, aliased]) {
    const { last } = pings;
    await waitFor("more answers", () => pings.last > last + 20);
    assert(last > 10);
    assertEquals(pings.missed(), []);
  }
});

Deno.test("after a flush of all rules, packets leave with pods' own addresses for a moment only", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan" });
  const host = world.cluster.host(1);
  await using pings = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.01);
  await waitFor("answers", () => pings.last > 20);
  await using leaving = await host.sniff(
    OUTSIDE_LINK,
    "icmp[icmptype] = icmp-echo and src net 10.1.1",
  );
  for (let times = 1; times <= 3; times++) {
    await inHost(host, "nft", "flush", "ruleset");
    const { last } = pings;
    await waitFor("answers again", () => pings.last > last + 20);
  }
  // Ten milliseconds each; the agent's next look would come after up to two seconds.
  const count = leaving.lines().length;
  assert(count < scaled(3 * 700) / 10, `${count} packets`);
});
