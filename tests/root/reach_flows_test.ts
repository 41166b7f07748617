// Flows of networks with a distributed gateway in a real Open vSwitch: it takes them as we write them, by either
// way, and ofproto/trace shows where packets go.

import { assertEquals } from "@std/assert";
import { REACH_COOKIE } from "../../lib/reach/reach_tables.ts";
import { bridgeFlows, gatewayTunnelFlows } from "../../lib/reach/bridge_flows.ts";
import { BASE_FLOWS } from "../../lib/ovs/bridge/bridge.ts";
import { flowText } from "../../lib/ovs/openflow/flow.ts";
import { openOpenFlow } from "../../lib/ovs/openflow/openflow_connection.ts";
import { portFlows } from "../../lib/ovs/ports/port_flows.ts";
import { BRIDGE, FlowBridge, soon } from "../lab/flow_bridge.ts";
import { MODEL, PODS, portOf, PORTS } from "../unit/reach/example_model.ts";

const NO_POLICY = new Set<number>();
const COOKIES = { value: REACH_COOKIE, mask: 0xffff_ffff_0000_0000n };
const PORT_FLOWS = PODS.map(portOf).flatMap((port) => portFlows(port.ofport, port));

Deno.test("reach flows: Open vSwitch prints ports' flows as we do, whether sent as bytes or as text", async () => {
  await using bridge = await FlowBridge.start();
  const desired = [...BASE_FLOWS, ...PORT_FLOWS].map(flowText);
  const path = `${bridge.place.rundir}/${BRIDGE}.mgmt`;
  const connection = await openOpenFlow(path, { listener: () => {}, endMs: soon() });
  try {
    const check = connection.addFlows([...BASE_FLOWS, ...PORT_FLOWS]);
    await connection.barrier();
    check();
    assertEquals(await bridge.flows(), desired.toSorted());
    connection.deleteFlows(0n, 0n);
    await connection.barrier();
    assertEquals(await bridge.flows(), []);
  } finally {
    connection.close();
  }
  await bridge.tools.changeFlows(desired.map((flow) => `add ${flow}`), soon());
  assertEquals(await bridge.flows(), desired.toSorted());
});

Deno.test("reach flows: Open vSwitch prints the bridges' flows as we do", async () => {
  await using bridge = await FlowBridge.start();
  const all = [
    ...bridgeFlows(MODEL, PORTS, NO_POLICY),
    ...gatewayTunnelFlows(MODEL, { patch: 1, tunnel: 2 }),
  ];
  await bridge.tools.syncFlowTexts(all, { endMs: soon(), cookies: COOKIES });
  assertEquals(await bridge.flows(), all.toSorted());
});
