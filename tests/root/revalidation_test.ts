// Waiting for ovs-vswitchd's revalidators, on a real one.

import { assertEquals } from "@std/assert";
import { Revalidation } from "../../lib/ovs/revalidation.ts";
import { bridgeIsUp, startOvs } from "../lab/ovs.ts";

Deno.test("a wait nudges two rounds, is shared by who asks at once, and outlives a restart of ovs-vswitchd", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev");
  await bridgeIsUp(ovs, "br");
  const changes: Promise<unknown>[] = [];
  const nudge = () => void changes.push(ovs.ofctl("add-flow", "br", "priority=1,actions=drop"));
  using revalidation = new Revalidation(dir, nudge);
  await Promise.all([1, 2, 3].map(() => revalidation.caughtUp()));
  assertEquals(changes.length, 2);
  await ovs.killVswitchd();
  await revalidation.caughtUp(); // nobody answers: it ends all the same
  assertEquals(changes.length, 2);
  await ovs.startVswitchd();
  await revalidation.caughtUp();
  await ovs.killVswitchd();
  await ovs.startVswitchd();
  await revalidation.caughtUp();
  assertEquals(changes.length, 6);
  await Promise.all(changes);
});
