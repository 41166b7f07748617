// kube-proxy ends and starts while pods use services, also with a flag that hides pods from policies.

import { assertEquals } from "@std/assert";
import { pingOn } from "../lab/pings.ts";
import { OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { ReachWorld } from "../lab/reach/reach_world.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("nothing is lost while kube-proxy restarts, and one that masquerades all is warned of", async () => {
  await using world = await ReachWorld.start({ fabric: "vxlan", services: "kube-proxy" });
  const { agent } = world.cluster.host(1);
  const seen = () => world.talker("a1").asksWho("tcp", "10.96.0.21", 80, { limitMs: 5_000 });
  await using own = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.05);
  await using aliased = pingOn(world.pod("b1"), OUTSIDE_ADDRESS, 0.05);
  await world.restartProxies();
  assertEquals(await seen(), "a3 saw 10.1.1.1");
  await world.restartProxies("--masquerade-all");
  await waitFor("a warning", async () => {
    return (await agent.logText()).includes("kube-proxy masquerades all connections to services");
  }, { limitMs: 90_000 });
  assertEquals(world.named(await seen() ?? ""), "a3 saw NAT of host1");
  await world.restartProxies();
  await waitFor("a pod to be seen by its own address again", async () => {
    return await seen() === "a3 saw 10.1.1.1";
  });
  for (const pings of [own, aliased]) {
    const { last } = pings;
    await waitFor("more answers", () => pings.last > last + 20);
    assertEquals(pings.missed(), []);
  }
});
