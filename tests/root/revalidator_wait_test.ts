// Waiting for ovs-vswitchd's revalidators, on a real one.

import { assert, assertEquals } from "@std/assert";
import { type Receiver, RevalidatorWait } from "../../lib/ovs/ports/revalidator_wait.ts";
import { bridgeIsUp, startOvs } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";

const CACHED = "02:00:00:00:00:01";
const UNKNOWN = "02:00:00:00:00:02";
const GATEWAY = "02:00:00:00:00:fe";

function portWith(mac: string, reach?: Receiver["reach"]): Receiver {
  return { mac, addresses: ["10.9.0.2"], reach };
}

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
    await Promise.all(macs.map((mac) => revalidation.caughtUp(portWith(mac))));
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

Deno.test("packets that a gateway delivers are cached with its MAC: a call of a port with a gateway checks its addresses", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev");
  await bridgeIsUp(ovs, "br");
  let nudges = 0;
  const changes: Promise<unknown>[] = [];
  const nudge = () => {
    nudges++;
    changes.push(ovs.ofctl("add-flow", "br", "priority=1,actions=drop"));
  };
  using revalidation = new RevalidatorWait(dir, nudge);
  const plain = { gateway: "10.9.0.254", hostMac: GATEWAY, hasServices: true };
  const aliased = { ...plain, alias: { address: "100.64.0.7", hairpin: "100.64.0.8" } };
  /** Nudges for a call of a port with `reach`, with packets to `match` just dropped. */
  const nudgesFor = async (match: string, reach?: Receiver["reach"]) => {
    nudges = 0;
    const flow = `in_port(1),eth(dst=${GATEWAY}),eth_type(0x0800),ipv4(${match})`;
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", flow, "drop").catch(() => {}); // it may be there
    await revalidation.caughtUp(portWith(UNKNOWN, reach));
    await Promise.all(changes.splice(0));
    return nudges;
  };
  const waits = (what: string, match: string, reach?: Receiver["reach"]) =>
    waitFor(what, async () => await nudgesFor(match, reach) === 2); // 0: a round has taken the flow away
  await waits("its address", "dst=10.9.0.2,frag=no", plain);
  await waits("a block with its address", "dst=10.9.0.0/255.255.255.0,frag=no", plain);
  await waits("its alias", "dst=100.64.0.7,frag=no", aliased);
  for (
    const [match, reach] of [
      ["dst=10.9.0.2,frag=no", undefined],
      ["dst=10.9.0.3,frag=no", aliased],
      ["dst=100.64.0.7,frag=no", plain],
      ["src=10.9.0.2,frag=no", aliased],
    ] as const
  ) {
    await waitFor("former flows go", async () => await nudgesFor("frag=no", aliased) === 0);
    assertEquals(await nudgesFor(match, reach), 0, match);
  }
});
