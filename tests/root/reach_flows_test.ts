// Flows of networks with a distributed gateway in a real Open vSwitch: it takes them as we write them, by either
// way, and ofproto/trace shows where packets go.

import { assertEquals } from "@std/assert";
import { REACH_COOKIE } from "../../lib/reach/reach_tables.ts";
import { bridgeFlows, gatewayTunnelFlows } from "../../lib/reach/bridge_flows.ts";
import { BASE_FLOWS } from "../../lib/ovs/bridge/bridge.ts";
import { flowText } from "../../lib/ovs/openflow/flow.ts";
import { openOpenFlow } from "../../lib/ovs/openflow/openflow_connection.ts";
import { KeptFlows } from "../../lib/ovs/openflow/kept_flows.ts";
import { portFlows } from "../../lib/ovs/ports/port_flows.ts";
import { BRIDGE, FlowBridge, soon } from "../lab/flow_bridge.ts";
import { scaled } from "../lab/limits.ts";
import { waitFor } from "../lab/wait.ts";
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

Deno.test("reach flows: a restarted ovs-vswitchd gets them back by itself, where their ports have the same numbers", async () => {
  await using bridge = await FlowBridge.start();
  const { ovs, tools } = bridge;
  const port = ["interface", "way", "type=internal"];
  await ovs.vsctl("add-port", BRIDGE, "way", "--", "set", ...port, "ofport_request=20");
  const all = bridgeFlows(MODEL, PORTS, NO_POLICY).toSorted();
  using kept = new KeptFlows(`${bridge.place.rundir}/${BRIDGE}.mgmt`, COOKIES);
  kept.prepare(all);
  await tools.syncFlowTexts(all, { endMs: soon(), cookies: COOKIES });
  kept.keepSoon(all, ["way"]);
  const restart = async () => {
    await rest(); // they are read meanwhile
    await ovs.killVswitchd();
    await ovs.startVswitchd();
  };
  const has = (flows: readonly string[]) => async () =>
    (await bridge.flows()).join("\n") === flows.join("\n");
  for (let times = 0; times < 2; times++) {
    await restart();
    await waitFor("the flows to be back", has(all));
  }
  await rest();
  await ovs.stopVswitchd();
  await ovs.vsctl("--no-wait", "set", "interface", "way", "ofport_request=21");
  await ovs.startVswitchd();
  await rest();
  assertEquals(await bridge.flows(), []); // sent, and taken back
});

const rest = () => new Promise((done) => setTimeout(done, scaled(1_000)));

/** Flows in Open vSwitch that were read to be kept, and name these ports. */
async function startKept(names: readonly string[]) {
  const bridge = await FlowBridge.start();
  const all = bridgeFlows(MODEL, PORTS, NO_POLICY).toSorted();
  const kept = new KeptFlows(`${bridge.place.rundir}/${BRIDGE}.mgmt`, COOKIES);
  await bridge.tools.syncFlowTexts(all, { endMs: soon(), cookies: COOKIES });
  kept.keepSoon(all, names);
  await rest();
  const restart = async () => {
    await bridge.ovs.killVswitchd();
    await bridge.ovs.startVswitchd();
    await rest();
  };
  return {
    ...{ all, kept, restart, ovs: bridge.ovs, flows: () => bridge.flows() },
    [Symbol.asyncDispose]: () => {
      kept[Symbol.dispose]();
      return bridge[Symbol.asyncDispose]();
    },
  };
}

Deno.test("reach flows: those that are not wanted any longer do not come back with ovs-vswitchd", async () => {
  await using switched = await startKept([]);
  switched.kept.prepare([]);
  await switched.restart();
  assertEquals(await switched.flows(), []);
});

Deno.test("reach flows: they come back, too, where one of their ports was added after they were read", async () => {
  await using switched = await startKept(["late"]);
  const type = ["set", "interface", "late", "type=internal"];
  await switched.ovs.vsctl("add-port", BRIDGE, "late", "--", ...type);
  await switched.restart();
  assertEquals(await switched.flows(), switched.all);
});
