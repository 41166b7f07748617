import { assertEquals } from "@std/assert";
import { planFlows } from "../../../../lib/ovs/openflow/plan_flows.ts";

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
