import { assertEquals } from "@std/assert";
import { planFlows, planFlowsKeepingCounters } from "../../../../lib/ovs/openflow/plan_flows.ts";

const PLAIN = "cookie=0x6b38000100000001, priority=200,arp";

for (
  const head of [
    PLAIN,
    "cookie=0x6b38000100000001, reset_counts priority=200,arp",
    "cookie=0x6b38000100000001, send_flow_rem check_overlap priority=200,arp",
    "cookie=0x6b38000100000001, idle_timeout=60, hard_timeout=9, importance=3, priority=200,arp",
  ]
) {
  Deno.test(`planFlows() deletes a stray by its match: ${head}`, () => {
    assertEquals(planFlows([`${head} actions=drop`], []), [
      "delete_strict cookie=0x6b38000100000001/-1, priority=200,arp",
    ]);
  });
}

Deno.test("planFlowsKeepingCounters() modifies a flow whose actions alone differ", () => {
  const [stays, moves] = ["priority=1,ip actions=drop", "priority=2,ip actions=drop"];
  const changed = "priority=1,ip actions=NORMAL";
  assertEquals(planFlowsKeepingCounters([stays, moves], [changed, "priority=3,ip actions=drop"]), [
    "delete_strict priority=2/-1,ip",
    "add priority=3,ip actions=drop",
    `modify_strict ${changed}`,
  ]);
  assertEquals(planFlowsKeepingCounters([stays, moves], [moves, stays]), []);
});
