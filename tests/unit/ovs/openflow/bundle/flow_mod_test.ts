// Lines of the policy tables as bytes: those that ovs-ofctl sends for them.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { encodeChange } from "../../../../../lib/ovs/openflow/bundle/flow_mod.ts";
import { deniedLine, placeOf } from "../../../../../lib/policy/flows/pipeline.ts";
import { TELL_AND_DROP } from "../../../../../lib/ovs/policy_tables/drop_watch.ts";
import { build } from "../../../policy/build.ts";
import { Dice, randomWorld } from "../../../policy/random_worlds.ts";
import { RECORDED } from "./recorded.ts";

const hexOf = (bytes: Uint8Array | undefined) =>
  [...bytes ?? []].map((byte) => byte.toString(16).padStart(2, "0")).join("");

for (const [line, want] of RECORDED) {
  Deno.test(`encodeChange() gives what ovs-ofctl sends for ${line.slice(0, 150)}`, () => {
    assertEquals(hexOf(encodeChange(line)?.message), want);
  });
}

const START = "add cookie=0x6b38000600000000, table=10, priority=5";
const STRANGE = [
  ["a field", `${START},ip,nw_tos=4 actions=drop`],
  ["a protocol", `${START},icmp actions=drop`],
  ["two protocols", `${START},ip,tcp actions=drop`],
  ["a field that is there twice", `${START},reg1=0x1,reg1=0x1 actions=drop`],
  ["a field of no protocol", `${START},nw_src=10.0.0.1 actions=drop`],
  ["an IPv4 address of IPv6", `${START},ipv6,nw_src=10.0.0.1 actions=drop`],
  ["a port of no protocol", `${START},ip,tp_src=1 actions=drop`],
  ["a network of addresses", `${START},ip,nw_src=10.0.0.0/8 actions=drop`],
  ["a register that is not there", `${START},reg16=0x1 actions=drop`],
  ["a register that is written otherwise", `${START},reg01=0x1 actions=drop`],
  ["a number that is too large", `${START},reg1=0x100000000 actions=drop`],
  ["bits that the mask leaves out", `${START},reg1=0x11/0xf0 actions=drop`],
  [
    "bits that the mask of a MAC leaves out",
    `${START},dl_dst=02:00:00:00:00:00/01:00:00:00:00:00 actions=drop`,
  ],
  ["a state that is not there", `${START},ct_state=+new+odd,ip actions=drop`],
  ["a number that begins with zero", `${START},dl_vlan=010 actions=drop`],
  ["an address that begins with zero", `${START},ip,nw_src=010.0.0.1 actions=drop`],
  ["a tag that is too large", `${START},dl_vlan=4096 actions=drop`],
  ["an action", `${START} actions=output:1`],
  ["drop and more", `${START} actions=drop,NORMAL`],
  ["no action", `${START} actions=`],
  ["an action after another that is known", `${START} actions=NORMAL,mod_nw_tos:4`],
  ["the switch's own table", `${START} actions=resubmit(,254)`],
  ["a port to resubmit from", `${START} actions=resubmit(1,2)`],
  ["a value that does not fit", `${START} actions=load:0x100->NXM_NX_REG3[16..23]`],
  ["bits that are not there", `${START} actions=load:0x1->NXM_NX_REG3[16..32]`],
  ["a move of other sizes", `${START} actions=move:NXM_OF_IP_SRC[]->NXM_NX_REG1[0..15]`],
  ["a clause of more than there are", `${START} actions=conjunction(1,3/2)`],
  ["a conjunction of one", `${START} actions=conjunction(1,1/1)`],
  ["a meter behind actions", `${START} actions=NORMAL,meter:1`],
  ["a meter alone", `${START} actions=meter:1`],
  [
    "another connection tracker's word",
    `${START},ip actions=ct(commit,force,zone=NXM_NX_REG0[0..15])`,
  ],
  ["a limit of time", "add cookie=0x1, table=10, idle_timeout=5, priority=5 actions=drop"],
  ["a default priority", "add cookie=0x1, table=10, ip actions=drop"],
  ["a priority that is too high", "add cookie=0x1, table=10, priority=65536 actions=drop"],
  ["a table that is not there", "add cookie=0x1, table=254, priority=1 actions=drop"],
  ["a deletion of many cookies", "delete_strict cookie=0x1/0xf, table=10, priority=5"],
  ["a deletion with actions", "delete_strict cookie=0x1/-1, table=10, priority=5 actions=drop"],
  ["an addition without actions", START],
  ["another command", START.replace("add", "modify") + " actions=drop"],
  ["two lines", `${START} actions=drop\n${START} actions=drop`],
  ["nothing", ""],
];

for (const [what, line] of STRANGE) {
  Deno.test(`encodeChange() does not know ${what}`, () => {
    assertEquals(encodeChange(line!), undefined);
  });
}

Deno.test("encodeChange() knows each line of random policies, with the log of drops, too", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const { flows } = build(randomWorld(new Dice(seed)), seed % 2 ? TELL_AND_DROP : undefined);
    for (const line of flows.lines()) assert(encodeChange(`add ${line}`), line);
  }
});

Deno.test("encodeChange() gives one form for all numbers, and others for other fields and actions", () => {
  const form = (match: string, actions: string) => {
    const [table, priority, cookie] = [match.length, actions.length, 7];
    return encodeChange(`add ${placeOf(table, priority, match, cookie)} actions=${actions}`)?.form;
  };
  const one = form("reg0=0x1,reg2=0xa", "conjunction(1,1/2)");
  assert(one);
  assertEquals(form("reg0=0x22,reg2=0xb", "conjunction(9,2/3),conjunction(8,1/2)"), one);
  const others = [
    form("reg0=0x1,reg2=0xa/0xa", "conjunction(1,1/2)"),
    form("reg0=0x1,reg3=0xa", "conjunction(1,1/2)"),
    form("reg0=0x1,reg2=0xa", "conjunction(1,1/2),NORMAL"),
    form("reg0=0x1,reg2=0xa", "load:0x1->NXM_NX_REG5[],NORMAL"),
    form("reg0=0x1,reg2=0xa", "load:0x1->NXM_NX_REG8[16..23],NORMAL"),
  ];
  for (const other of others) assertNotEquals(other, one);
});

Deno.test("encodeChange() leaves a line to others that is too long for a message", () => {
  const [place] = deniedLine(1);
  const line = (count: number) => {
    const parts = Array.from({ length: count }, (_, n) => `conjunction(${n + 1},1/2)`);
    return `add ${place} actions=${parts.join()}`;
  };
  assert(encodeChange(line(4_000)));
  assertEquals(encodeChange(line(4_100)), undefined);
});
