// What happens to a host's stack and switch in months: flushed rules, settings and links changed by others, ended
// processes. Pods reach the world outside again, and meanwhile nobody reaches more than before.

import { assert, assertEquals } from "@std/assert";
import type { ClusterHost } from "../lab/cluster/host.ts";
import { pingOn } from "../lab/pings.ts";
import { OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { ReachWorld, SERVICES } from "../lab/reach/reach_world.ts";
import { writeServiceRules } from "../lab/reach/services.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const inHost = ({ netns }: ClusterHost, ...words: string[]) =>
  run("ip", ["netns", "exec", netns, ...words]);

const ip = ({ netns }: ClusterHost, ...words: string[]) => run("ip", ["-n", netns, ...words]);

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
  "its addresses are removed": (host) => ip(host, "address", "flush", "dev", "contivHost"),
  "its routes are removed": (host) => ip(host, "route", "flush", "dev", "contivHost"),
  "the next hop is forgotten": (host) =>
    ip(host, "neighbour", "del", "169.254.1.1", "dev", "contivHost"),
  "the port is removed": (host) => host.ovs.vsctl("del-port", "contivBridge", "contivHost"),
  "the flows are removed": (host) => host.ovs.ofctl("del-flows", "contivBridge"),
  "ovs-vswitchd is killed": (host) => host.restartVswitchd("kill"),
  "ovs-vswitchd removes its ports at its end": async (host) => {
    await host.ovs.appctl("exit", "--cleanup");
    await host.ovs.stopVswitchd();
    await host.ovs.startVswitchd();
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
