// Random policies on a real Open vSwitch: what its own ofproto/trace makes of a packet is what the plain
// evaluator says. SCTP among them, which this machine's kernel could not send.

import { assert, assertEquals } from "@std/assert";
import { wordOfTrace } from "../../lib/agent/policy/trace_packet.ts";
import { openControl } from "../../lib/ovs/tools/appctl.ts";
import { run } from "../lab/run.ts";
import { startOvs } from "../lab/ovs.ts";
import { build, macOf } from "../unit/policy/build.ts";
import { mayArrive, mayLeave, type TestPacket } from "../unit/policy/evaluator.ts";
import { Dice, packetsOf, type PlacedEndpoint, randomWorld } from "../unit/policy/random_worlds.ts";

const WORLDS = 110;
const PACKETS_OF_A_WORLD = 25;
const TAGS = [11, 12, 21];
const NAMES: Record<number, string> = { 1: "icmp", 6: "tcp", 17: "udp", 132: "sctp" };

/** Returns a packet as ofproto/trace takes it, coming in where frames of that tag do. */
function words(packet: TestPacket, tag: number): string {
  const name = NAMES[packet.protocol]!;
  const mac = (end: TestPacket["from"]) => end ? macOf(end) : "02:00:00:00:00:01";
  const ports = name === "icmp"
    ? ["icmp_type=8", "icmp_code=0"]
    : [`${name}_src=${packet.fromPort}`, `${name}_dst=${packet.toPort}`];
  return [
    `in_port=${TAGS.indexOf(tag) + 1}`,
    name,
    `dl_src=${mac(packet.from)},dl_dst=${mac(packet.to)}`,
    `nw_src=${packet.fromIp},nw_dst=${packet.toIp},nw_ttl=64`,
    ...ports,
    ...name === "tcp" ? ["tcp_flags=syn"] : [],
  ].join();
}

Deno.test("500 random policies and more: the switch's own trace agrees with the evaluator", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  await ovs.vsctl(
    ...["add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "fail_mode=secure"],
    "protocols=OpenFlow10,OpenFlow13,OpenFlow14",
  );
  using control = await openControl(ovs.rundir);
  let [policies, asked, denied] = [0, 0, 0];
  for (let seed = 1; seed <= WORLDS; seed++) {
    const dice = new Dice(seed * 104_729);
    const world = randomWorld(dice);
    const { flows } = build(world);
    policies += world.policies.length +
      world.tenants.flatMap(({ groups }) => groups.flatMap((group) => group.policies)).length;
    const entries = TAGS.map((tag, at) =>
      `table=0, in_port=${at + 1} actions=${
        flows.tags.has(tag) ? `set_field:${tag}->reg0,goto_table:10` : "NORMAL"
      }`
    );
    await run("ovs-ofctl", [
      ...["-OOpenFlow14", "--bundle", "replace-flows", `unix:${ovs.rundir}/br.mgmt`, "-"],
    ], { stdin: [...entries, ...flows.flows()].join("\n") + "\n", limitMs: 20_000 });
    const passes = async (packet: TestPacket, tag: number) => {
      const text = await control.ask(
        "ofproto/trace",
        ["br", words(packet, tag)],
        performance.now() + 10_000,
      );
      return wordOfTrace(text, () => undefined).isAllowed;
    };
    const packets = packetsOf(world);
    for (let n = 0; n < PACKETS_OF_A_WORLD; n++) {
      const packet = dice.one(packets);
      const here = (end: TestPacket["from"]) =>
        world.endpoints.find(({ id, isHere }) => isHere && id === end?.id);
      const [from, to] = [here(packet.from), here(packet.to)];
      for (const { tag, want } of judgements(packet, { from, to, world })) {
        const seen = await passes(packet, tag);
        assertEquals(seen, want, `seed ${seed}: ${words(packet, tag)}`);
        asked++;
        if (!want) denied++;
      }
    }
  }
  assert(policies >= 500, `only ${policies} policies`);
  assert(denied > 300 && asked - denied > 300, `${denied} of ${asked} denied`);
  console.log(`${policies} policies, ${asked} packets, ${denied} of them denied`);
});

/** Where a packet is judged on this host, and what the evaluator says there. */
function judgements(
  packet: TestPacket,
  { from, to, world }: {
    readonly from: PlacedEndpoint | undefined;
    readonly to: PlacedEndpoint | undefined;
    readonly world: Parameters<typeof mayLeave>[0];
  },
): { tag: number; want: boolean }[] {
  const [leaves, arrives] = [mayLeave(world, packet), mayArrive(world, packet)];
  if (from && to && from.tag === to.tag) return [{ tag: from.tag, want: leaves && arrives }];
  return [
    ...from ? [{ tag: from.tag, want: leaves }] : [],
    ...to ? [{ tag: to.tag, want: arrives }] : [],
  ];
}
