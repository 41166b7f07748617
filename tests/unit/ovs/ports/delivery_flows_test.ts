import { assertEquals } from "@std/assert";
import { flowText } from "../../../../lib/ovs/openflow/flow.ts";
import { baseFlows } from "../../../../lib/ovs/ports/delivery_flows.ts";
import { portFlows } from "../../../../lib/ovs/ports/port_flows.ts";
import { expectedFlows } from "../../../../lib/ovs/ports/protected_ports.ts";

const PORT = {
  name: "cv1",
  tag: 101,
  mac: "02:02:0a:01:01:01",
  addresses: ["10.1.1.1", "10.1.1.9"],
};
const textsOf = (policed: readonly number[] = []) =>
  portFlows(1_001, PORT, { policyVlans: new Set(policed), hasDelivery: true }).map(flowText);

Deno.test("a port's frames are delivered by flows, and the learning switch has the rest", () => {
  const own = "in_port=1001,vlan_tci=0x0000/0x1fff,dl_src=02:02:0a:01:01:01";
  const cookie = "cookie=0x6b380001000003e9, ";
  const handOver = " actions=set_field:0x65->reg0,resubmit(,60)";
  // What the pod sends comes last: where it is there, all of them are.
  assertEquals(textsOf(), [
    `${cookie}table=60, priority=100,reg0=0x65,dl_dst=${PORT.mac} actions=output:1001`,
    ...PORT.addresses.map((address) =>
      `${cookie}table=60, priority=110,arp,reg0=0x65,dl_dst=ff:ff:ff:ff:ff:ff,` +
      `arp_tpa=${address},arp_op=1 actions=output:1001`
    ),
    `${cookie}priority=110,udp,in_port=1001,tp_src=67 actions=drop`,
    ...PORT.addresses.flatMap((address) => [
      `${cookie}priority=100,arp,${own},arp_spa=${address},arp_sha=${PORT.mac}${handOver}`,
      `${cookie}priority=100,ip,${own},nw_src=${address}${handOver}`,
    ]),
  ]);
  assertEquals(baseFlows({ hasDelivery: true }).map(flowText), [
    "cookie=0x6b38000000000000, priority=0 actions=drop",
    "cookie=0x6b38000000000000, table=60, priority=0 actions=NORMAL",
  ]);
});

Deno.test("under policy a port's frames meet the policies first, and it has as many flows", () => {
  const policed = textsOf([101]);
  assertEquals(policed.filter((flow) => flow.includes("goto_table:10")).length, 4);
  assertEquals(policed.filter((flow) => flow.includes("resubmit(,60)")), []);
  assertEquals(policed.length, textsOf().length);
  const expected = expectedFlows([{ ...PORT, ofport: 1_001 }], { hasDelivery: true });
  assertEquals(expected, policed.length + 2);
});
