// Waiting for ovs-vswitchd's revalidators, on a real one.

import { assert, assertEquals } from "@std/assert";
import { RevalidatorWait } from "../../lib/ovs/ports/revalidator_wait.ts";
import { bridgeIsUp, startOvs } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";

const CACHED = "02:00:00:00:00:01";
const UNKNOWN = "02:00:00:00:00:02";

Deno.test("a call for a cached MAC waits for two nudged rounds, shared by concurrent calls; a restart of ovs-vswitchd is survived", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev");
  await bridgeIsUp(ovs, "br");
  const changes: Promise<unknown>[] = [];
  const nudge = () => void changes.push(ovs.ofctl("add-flow", "br", "priority=1,actions=drop"));
  using revalidation = new RevalidatorWait(dir, nudge);
  /** Nudges while `macs` ask at once, with a frame to CACHED just dropped. */
  const nudgesFor = async (...macs: string[]) => {
    const before = changes.length;
    const flow = `in_port(1),eth(dst=${CACHED}),eth_type(0x0800),ipv4(frag=no)`;
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", flow, "drop").catch(() => {}); // it may be there
    await Promise.all(macs.map((mac) => revalidation.caughtUp(mac)));
    await Promise.all(changes);
    return changes.length - before;
  };
  assertEquals(await nudgesFor(UNKNOWN), 0);
  const waits = (...macs: string[]) =>
    waitFor("two rounds", async () => {
      const nudges = await nudgesFor(...macs);
      assert(nudges === 0 || nudges === 2); // 0: a round of their own has taken the flow away
      return nudges === 2;
    });
  await waits(CACHED);
  await waits(CACHED, UNKNOWN, CACHED);
  assertEquals(await nudgesFor(...Array.from({ length: 9 }, (_, n) => `02:00:00:00:01:0${n}`)), 2);
  await ovs.killVswitchd();
  assertEquals(await nudgesFor(CACHED), 0); // no answer comes: it ends all the same
  await ovs.startVswitchd();
  await waits(CACHED);
  await ovs.killVswitchd();
  await ovs.startVswitchd();
  await waits(CACHED);
});
