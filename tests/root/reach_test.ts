// Who reaches what, on two hosts with two tenants that have the same subnet: pods ask outside, hosts, services and
// each other, and say the address that they saw.

import { assertEquals } from "@std/assert";
import { CHECKS, seenBy } from "../lab/reach/reach_checks.ts";
import { ReachWorld, type ReachWorldOptions } from "../lab/reach/reach_world.ts";

async function checkAll(t: Deno.TestContext, options: ReachWorldOptions): Promise<void> {
  await using world = await ReachWorld.start(options);
  for (const [group, checks] of Object.entries(CHECKS)) {
    for (const check of checks) {
      await t.step(`${group}: ${check.what}`, async () => {
        assertEquals(await seenBy(world, check), check.want);
      });
    }
  }
}

Deno.test("reach over VXLAN, with services by rules like kube-proxy's", async (t) => {
  await checkAll(t, { fabric: "vxlan" });
});

Deno.test("reach over VXLAN, with services by a real kube-proxy", async (t) => {
  await checkAll(t, { fabric: "vxlan", services: "kube-proxy" });
});

Deno.test("reach with VLANs and an uplink, with services by a real kube-proxy", async (t) => {
  await checkAll(t, { fabric: "vlan", services: "kube-proxy" });
});
