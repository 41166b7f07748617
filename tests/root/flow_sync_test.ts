// Flows are made as wanted, and are not read again for a while when they are as many: what that hides,
// and for how long, on a real Open vSwitch.

import { assertEquals, assertNotEquals } from "@std/assert";
import { BASE_FLOWS } from "../../lib/ovs/bridge/bridge.ts";
import { antispoofFlows } from "../../lib/ovs/ports/antispoof_flows.ts";
import { type Flow, flowText } from "../../lib/ovs/openflow/flow.ts";
import { OvsTools } from "../../lib/ovs/tools/ovs_tools.ts";
import { FlowBridge, soon } from "../lab/flow_bridge.ts";

const SURE_MS = 2_000;

function guards(port: number): readonly Flow[] {
  const mac = `02:02:0a:09:00:0${port - 1_000}`;
  return antispoofFlows(port, { mac, addresses: [`10.9.0.${port - 1_000}`], tag: 7 }, undefined);
}

Deno.test("flows that are deleted, added, replaced or lost are restored, the replaced ones soon", async () => {
  await using bridge = await FlowBridge.start();
  const tools = new OvsTools({ ...bridge.place, trustMs: SURE_MS });
  const want = [...BASE_FLOWS, ...guards(1_001), ...guards(1_002)];
  const sync = (flows: readonly Flow[]) =>
    tools.syncFlows(flows, { endMs: soon(), isKept: () => false });
  const hand = (...words: string[]) =>
    bridge.tools.ofctl(words[0]!, words.slice(1), { endMs: soon() });
  const isAsWanted = async (flows: readonly Flow[], what: string) =>
    assertEquals(await bridge.flows(), flows.map(flowText).sort(), what);
  await sync(want);
  await isAsWanted(want, "at first");
  await sync(want);
  await isAsWanted(want, "again");
  await hand("del-flows", "--strict", "priority=110,udp,in_port=1001,tp_src=67");
  await sync(want);
  await isAsWanted(want, "one deleted");
  await hand("add-flow", `cookie=${cookieIn(want)},priority=9,in_port=1003,actions=NORMAL`);
  await sync(want);
  await isAsWanted(want, "one too much");
  await sync(want.slice(0, -1));
  await isAsWanted(want.slice(0, -1), "one less is wanted");
  await sync(want);
  await isAsWanted(want, "and again");
  await hand("mod-flows", "--strict", "priority=110,udp,in_port=1001,tp_src=67,actions=NORMAL");
  assertNotEquals(await bridge.flows(), want.map(flowText).sort());
  await new Promise((done) => setTimeout(done, SURE_MS));
  await sync(want);
  await isAsWanted(want, "one exchanged");
  await bridge.ovs.killVswitchd();
  await bridge.ovs.startVswitchd();
  await sync(want);
  await isAsWanted(want, "all lost");
});

/** Returns the cookie of the last of the flows, as ovs-ofctl reads it. */
function cookieIn(flows: readonly Flow[]): string {
  return /^cookie=(0x[0-9a-f]+)/.exec(flowText(flows.at(-1)!))?.[1] ?? "0";
}
