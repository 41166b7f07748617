// After a change of flows no cached flow keeps its old actions, also where cached flows overlap.

import { assertEquals } from "@std/assert";
import { openPolicyTables, type PolicyTables } from "../../lib/ovs/policy_tables/policy_tables.ts";
import { flushing } from "../../lib/ovs/policy_tables/megaflow_flush.ts";
import { run } from "../lab/run.ts";
import { BRIDGE, FlowBridge } from "../lab/flow_bridge.ts";
import { makePod, type Pod } from "../lab/pod.ts";

const line = (net: string, actions = "NORMAL", priority = 100) =>
  `cookie=0x6b38000600000000, priority=${priority},ip,nw_dst=${net} actions=${actions}`;
const NETS = [1, 2, 3, 4, 5, 6, 7, 8];
const wide = (n: number) => `10.${n}.0.0/16`;
const [inNarrow, inWide] = [(n: number) => `10.${n}.2.2`, (n: number) => `10.${n}.0.2`];
const OTHER = "10.99.0.2";

/** Puts a pod with these addresses on a port of our bridge. */
async function connect(bridge: FlowBridge, pod: Pod, port: string, addresses: string[]) {
  await run("ip", ["link", "add", port, "type", "veth", "peer", "eth0", "netns", pod.id]);
  for (const address of addresses) {
    await run("ip", ["-n", pod.id, "address", "add", `${address}/8`, "dev", "eth0"]);
  }
  await run("ip", ["-n", pod.id, "link", "set", "eth0", "up"]);
  await run("ip", ["link", "set", port, "up"]);
  await bridge.ovs.vsctl("add-port", BRIDGE, port);
}

/** Two pods, the second with all addresses; all but what goes to them is forwarded. */
async function startTwo(stack: AsyncDisposableStack) {
  const bridge = stack.use(await FlowBridge.start());
  const [asking, asked] = [stack.use(await makePod("asking")), stack.use(await makePod("asked"))];
  await connect(bridge, asking, "p1", ["10.77.0.1"]);
  await connect(bridge, asked, "p2", [OTHER, ...NETS.flatMap((n) => [inNarrow(n), inWide(n)])]);
  const base = ["priority=1,arp,actions=NORMAL", "priority=1,ip,nw_dst=10.77.0.1,actions=NORMAL"];
  await run("ovs-ofctl", [
    ...["-OOpenFlow13", "add-flows", `unix:${bridge.ovs.rundir}/${BRIDGE}.mgmt`, "-"],
  ], { stdin: `${base.join("\n")}\n` });
  return { asking, tables: openPolicyTables(bridge.place) };
}

/**
 * Brings pairs of cached flows about that overlap, as each line is for more addresses than the one
 * before; then forbids the first of each pair, and narrows the second. Returns who is answered still.
 * The datapath finds the second: it has known its mask for longer.
 */
async function answeredAfter(asking: Pod, tables: PolicyTables): Promise<string[]> {
  const all = (addresses: string[]) => Promise.all(addresses.map((one) => asking.pings(one)));
  const [narrow, wider] = [NETS.map(inNarrow), NETS.map(inWide)];
  const steps = [
    [line("10.99.0.0/16")],
    [line("10.99.0.0/16"), ...NETS.map((n) => line(`10.${n}.2.0/24`))],
    NETS.map((n) => line(wide(n))),
    NETS.flatMap((n) => [line(wide(n), "drop"), line(`10.${n}.0.0/24`, "NORMAL", 200)]),
  ];
  for (const [n, answering] of [[OTHER], narrow, wider].entries()) {
    await tables.change(steps[n - 1] ?? [], steps[n]!);
    await tables.revalidated();
    assertEquals(await all(answering), answering.map(() => true));
  }
  await tables.change(steps[2]!, steps[3]!);
  await tables.revalidated();
  const answers = await all(narrow);
  return narrow.filter((_, n) => answers[n]);
}

Deno.test("what is forbidden is not answered any more, whichever flows are cached", async () => {
  await using stack = new AsyncDisposableStack();
  const { asking, tables } = await startTwo(stack);
  // By `tables` alone 1 to 4 of the 8 went on (Open vSwitch 3.1.0).
  assertEquals(await answeredAfter(asking, flushing(tables, () => true)), []);
});
