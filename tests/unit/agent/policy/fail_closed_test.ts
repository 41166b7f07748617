// What is cut off when rules cannot be brought in force.

import { assertEquals } from "@std/assert";
import {
  failClosedFlows,
  isTrunkDropFlow,
  tagsIn,
  trunkDropFlow,
} from "../../../../lib/agent/policy/fail_closed.ts";
import { POLICY_COOKIES } from "../../../../lib/ovs/openflow/cookies.ts";
import { POLICY_TABLE } from "../../../../lib/ovs/openflow/flow.ts";
import { dropsOf, openTagsOf } from "../../../../lib/ovs/policy_tables/policy_tables.ts";
import {
  deniedFlow,
  guardedFlows,
  networkFlow,
  POLICY_COOKIE,
  shieldFlows,
  TABLES,
  tagOfNetworkFlow,
} from "../../../../lib/policy/flows/pipeline.ts";

const guarded = { tag: 100, address: "10.9.0.1", mac: "02:02:0a:09:00:01" };
const lines = [
  ...guardedFlows(guarded),
  ...shieldFlows(guarded),
  networkFlow({ tag: 100, network: "networks/t/n" }),
]
  .map(([place, actions]) => `${place} actions=${actions}`);

Deno.test("failClosedFlows() drops all from and to the guarded endpoints, above all other lines", () => {
  const start = "cookie=0x6b38000600000000, table=10, priority=60,ip,reg0=0x64";
  assertEquals(failClosedFlows(lines, new Set([100])), [
    `${start},nw_dst=10.9.0.1 actions=drop`,
    `${start},nw_src=10.9.0.1 actions=drop`,
  ]);
  assertEquals(failClosedFlows(lines, new Set([101])), []);
});

Deno.test("tagsIn() and tagOfNetworkFlow() find the networks of flows", () => {
  assertEquals([...tagsIn(lines)], [100]);
  assertEquals(lines.flatMap((line) => tagOfNetworkFlow(line) ?? []), [100]);
});

Deno.test("a shut trunk's line is known again", () => {
  assertEquals(isTrunkDropFlow(trunkDropFlow(100)), true);
  assertEquals(lines.some(isTrunkDropFlow), false);
});

Deno.test("openTagsOf() finds what a trunk forwards past the policies", () => {
  assertEquals(
    openTagsOf([
      "cookie=0x6b38000300000000, priority=100,in_port=1,dl_vlan=100 actions=NORMAL",
      "cookie=0x6b38000300000000, priority=100,in_port=1,dl_vlan=101 actions=set_field:0x65->reg0,goto_table:10",
    ]),
    [100],
  );
});

Deno.test("dropsOf() reads what a policy's line has counted", () => {
  const [place] = deniedFlow(7);
  const dumped = place.replace(", table", ", duration=1.5s, table").replace(
    ", priority",
    ", n_packets=42, n_bytes=4116, priority",
  );
  assertEquals([...dropsOf([`${dumped} actions=drop`])], [[7, 42]]);
});

Deno.test("guards hand over to the table that the policies begin with, under their cookie", () => {
  assertEquals<number>(POLICY_TABLE, TABLES.entry);
  assertEquals(POLICY_COOKIES.value, POLICY_COOKIE);
});
