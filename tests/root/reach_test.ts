// Who reaches what, on two hosts with two tenants that have the same subnet: pods ask outside, hosts, services and
// each other, and say the address that they saw. First with plain ports, then with warm ones.

import { assertEquals } from "@std/assert";
import { type Check, CHECKS, isRefused, seenBy } from "../lab/reach/reach_checks.ts";
import { ReachWorld, type ReachWorldOptions } from "../lab/reach/reach_world.ts";

async function checkAll(t: Deno.TestContext, world: ReachWorld): Promise<void> {
  for (const [group, checks] of Object.entries(CHECKS)) {
    const refused = new Map(
      await Promise.all(
        checks.filter(isRefused).map(async (one): Promise<[Check, string]> => {
          return [one, await seenBy(world, one)];
        }),
      ),
    );
    for (const check of checks) {
      await t.step(`${group}: ${check.what}`, async () => {
        assertEquals(refused.get(check) ?? await seenBy(world, check), check.want);
      });
    }
  }
}

async function checkPlainAndWarm(t: Deno.TestContext, options: ReachWorldOptions): Promise<void> {
  await using world = await ReachWorld.start(options);
  await t.step("plain ports", (t) => checkAll(t, world));
  await t.step("warm ports", async (t) => {
    await world.useWarmPorts();
    await checkAll(t, world);
  });
}

Deno.test("reach over VXLAN, with services by rules like kube-proxy's", async (t) => {
  await checkPlainAndWarm(t, { fabric: "vxlan" });
});

Deno.test("reach over VXLAN, with services by a real kube-proxy", async (t) => {
  await checkPlainAndWarm(t, { fabric: "vxlan", services: "kube-proxy" });
});

Deno.test("reach with VLANs and an uplink, with services by a real kube-proxy", async (t) => {
  await checkPlainAndWarm(t, { fabric: "vlan", services: "kube-proxy" });
});
