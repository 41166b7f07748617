// Bundles of flows over a connection of our own, on a real Open vSwitch: what they bring in force is what
// ovs-ofctl brings in force by the same lines, for each line that policies make, and for others.

import { assert, assertEquals } from "@std/assert";
import { failClosedFlows, shutLine } from "../../lib/agent/policy/fail_closed.ts";
import { encodeChange } from "../../lib/ovs/openflow/bundle/flow_mod.ts";
import { TELL_AND_DROP } from "../../lib/ovs/policy_tables/drop_watch.ts";
import { planFlows } from "../../lib/ovs/ports/antispoof_flows.ts";
import { DROP } from "../../lib/policy/flows/pipeline.ts";
import { encoded, FlowBridges, OURS, soon, THEIRS } from "../lab/flow_bridges.ts";
import { build } from "../unit/policy/build.ts";
import { Dice, randomWorld } from "../unit/policy/random_worlds.ts";

const WORLDS = 40;
const [LINES, ROUNDS] = [100, 10];
const MUTANTS = 150;

/** Lines of a random world as one of the agent's switches has them at some time. */
function linesOf(seed: number): string[] {
  const dice = new Dice(seed * 15_485_863);
  const { flows } = build(randomWorld(dice), dice.chance(50) ? TELL_AND_DROP : DROP);
  const lines = flows.lines();
  const closing = dice.chance(30) ? failClosedFlows(lines, flows.tags) : [];
  return [...lines, ...closing, ...dice.chance(30) ? [shutLine(1 + dice.below(4_094))] : []];
}

Deno.test("each line that policies make is the same in force, by a bundle of ours and by ovs-ofctl", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const forms = new Set<string>();
  let have: string[] = [];
  for (let seed = 1; seed <= WORLDS; seed++) {
    const want = linesOf(seed);
    const lines = planFlows(have, want);
    const changes = encoded(lines);
    changes.forEach(({ form }) => forms.add(form));
    await connection.send(changes, soon());
    await bridges.tools(THEIRS).changeFlows(lines, soon());
    const seen = await bridges.flows(OURS);
    assertEquals(seen, await bridges.flows(THEIRS), `seed ${seed}`);
    assertEquals(seen, [...new Set(want)].sort(), `seed ${seed}`);
    have = want;
  }
  assert(forms.size > 60, `only ${forms.size} kinds of lines were tried`);
});

const NUMBERS = [0, 1, 0x7f, 0x80, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/** A line that our pipeline could have, of all fields and actions that there are, with any numbers. */
function randomLine(dice: Dice, priority: number): string {
  const hex = (value: number) => value === 0 ? "0" : `0x${value.toString(16)}`;
  const number = (limit: number) =>
    dice.chance(40) ? dice.one(NUMBERS.filter((one) => one < limit)) : dice.below(limit);
  const maskedNumber = (limit: number) => {
    const mask = number(limit);
    // `&` would give a negative number for the highest bit.
    return mask === 0 || dice.chance(50)
      ? hex(number(limit))
      : `${hex(Number(BigInt(number(limit)) & BigInt(mask)))}/${hex(mask)}`;
  };
  const octet = () => dice.below(256).toString(16).padStart(2, "0");
  const protocol = dice.one(["", "ip", "ipv6", "tcp", "udp", "sctp"]);
  const isIp = protocol !== "" && protocol !== "ipv6";
  const hasPorts = protocol === "tcp" || protocol === "udp";
  const maybe = (isWanted: boolean, make: () => string) =>
    isWanted && dice.chance(40) ? [make()] : [];
  const address = () => Array.from({ length: 4 }, () => dice.below(256)).join(".");
  const match = [
    ...protocol === "" ? [] : [protocol],
    ...maybe(true, () => `dl_dst=02:${[1, 2, 3, 4, 5].map(octet).join(":")}`),
    ...maybe(true, () => `dl_vlan=${dice.below(4_096)}`),
    ...maybe(isIp, () => `nw_src=${address()}`),
    ...maybe(isIp, () => `nw_dst=${address()}`),
    ...maybe(hasPorts, () => `tp_src=${maskedNumber(0x1_0000)}`),
    ...maybe(hasPorts, () => `tp_dst=${maskedNumber(0x1_0000)}`),
    ...maybe(
      protocol === "tcp",
      () => `tcp_flags=${dice.one(["+syn", "-syn", "-syn+ack", "+fin-rst"])}`,
    ),
    ...Array.from({ length: 16 }, (_, n) => maybe(true, () => `reg${n}=${maskedNumber(2 ** 32)}`))
      .flat(),
    ...dice.chance(50)
      ? [
        `ct_state=${dice.one(["+new+trk", "-new-inv+trk", "+est+trk", "-rel+rpl+trk"])}`,
        ...maybe(isIp, () => `ct_nw_proto=${dice.below(256)}`),
      ]
      : [],
    ...maybe(true, () => `conj_id=${number(2 ** 32)}`),
  ];
  const bits = () => {
    const first = dice.below(32);
    const last = first + dice.below(32 - first);
    return { count: last - first + 1, text: `NXM_NX_REG${dice.below(16)}[${first}..${last}]` };
  };
  const onePart = () => {
    const count = 2 + dice.below(63);
    return `conjunction(${1 + number(2 ** 32 - 1)},${1 + dice.below(count)}/${count})`;
  };
  const one = () => {
    const { count, text } = bits();
    return dice.one([
      "NORMAL",
      `resubmit(,${dice.below(254)})`,
      `load:${hex(number(2 ** count))}->${text}`,
      `move:NXM_NX_REG${dice.below(16)}[0..${count - 1}]->${text}`,
      `ct(commit,zone=NXM_NX_REG${dice.below(16)}[0..15])`,
      `ct(table=${dice.below(254)},zone=NXM_NX_REG${dice.below(16)}[16..31])`,
      `controller(max_len=${dice.below(2 ** 16)},id=${dice.below(2 ** 16)})`,
    ].filter((action) => isIp || !action.startsWith("ct(")));
  };
  const actions = dice.one([
    () => "drop",
    () => [onePart(), ...dice.some(30, onePart)].join(),
    () => [one(), ...dice.some(6, one)].join(),
    () => ["meter:27448", one(), ...dice.some(2, one)].join(),
  ])();
  const place = `cookie=0x${dice.below(2 ** 31).toString(16)}, table=${1 + dice.below(253)}, `;
  return `${place}${[`priority=${priority}`, ...match].join()} actions=${actions}`;
}

Deno.test("lines of any numbers are the same in force, and their deletion deletes them", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const dice = new Dice(seed * 32_452_843);
    const lines = Array.from({ length: LINES }, (_, n) => `add ${randomLine(dice, n)}`);
    await connection.send(encoded(lines), soon());
    await bridges.tools(THEIRS).changeFlows(lines, soon());
    const seen = await bridges.flows(OURS);
    assertEquals(seen, await bridges.flows(THEIRS), `seed ${seed}`);
    assertEquals(seen.length, LINES);
    const deletions = planFlows(seen, []);
    await connection.send(encoded(deletions), soon());
    assertEquals(await bridges.flows(OURS), [], `seed ${seed}`);
    await bridges.tools(THEIRS).changeFlows(deletions, soon());
  }
});

/** Changes a character of a line into one that lines are made of. */
function mutantOf(dice: Dice, line: string): string {
  const at = "add ".length + dice.below(line.length - "add ".length);
  return line.slice(0, at) + dice.one([..."0123456789abcdefx,/[]()+-.:"]) + line.slice(at + 1);
}

Deno.test("a line with a wrong character is not known, or is what ovs-ofctl takes it for", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const dice = new Dice(7);
  let known = 0;
  while (known < MUTANTS) {
    const line = mutantOf(dice, `add ${dice.one(linesOf(dice.below(1_000) + 1))}`);
    const change = encodeChange(line);
    if (!change) continue;
    known++;
    const isTaken = (work: Promise<void>) => work.then(() => true, () => false);
    const [ours, theirs] = [
      await isTaken(connection.send([change], soon())),
      await isTaken(bridges.tools(THEIRS).changeFlows([line], soon())),
    ];
    assertEquals(ours, theirs, line);
    if (known % 25 > 0) continue;
    assertEquals(await bridges.flows(OURS), await bridges.flows(THEIRS), line);
  }
});

Deno.test("a deletion deletes the flow that it names, and none beside it", async () => {
  await using bridges = await FlowBridges.start();
  const connection = await bridges.connect();
  const flow = "cookie=0x6b38000600000000, table=10, priority=20,ip,reg0=0x64,nw_src=10.0.0.1";
  const others = [
    flow.replace("table=10", "table=11"),
    flow.replace("priority=20", "priority=21"),
    flow.replace("ip,", "").replace(",nw_src=10.0.0.1", ""),
    `${flow.replace("reg0=0x64", "reg0=0x64,reg1=0x1")}`,
    "cookie=0x6b38000600000000, priority=20,ip,reg0=0x64,nw_src=10.0.0.1",
  ].map((line) => `${line} actions=drop`);
  await connection.send(
    encoded([flow, ...others].map((one) => `add ${one.replace(/ actions=.*/, "")} actions=drop`)),
    soon(),
  );
  const foreign = "cookie=0x77, table=12, priority=20,ip,reg0=0x64 actions=drop";
  await connection.send(encoded([`add ${foreign}`]), soon());
  const same = foreign.replace("0x77", "0x78");
  await connection.send(encoded(planFlows([`${flow} actions=drop`, same], [])), soon());
  assertEquals(await bridges.flows(OURS), [...others, foreign].sort());
});
