import { assertEquals, assertRejects } from "@std/assert";
import { ensureBridge } from "../../../../lib/ovs/bridge/bridge.ts";
import { Fault } from "../../../../lib/util/errors.ts";

/** Tools of an Open vSwitch that has the bridge with two ports and its own, which `owner` has set up. */
function toolsWith(owner: string | undefined) {
  const bridge = {
    name: "contivBridge",
    ...{ "datapath_type": "netdev", "fail_mode": "secure", protocols: ["set", []] },
    ports: ["set", ["a", "b", "c"].map((one) => ["uuid", one])],
    "external_ids": ["map", owner === undefined ? [] : [["k8contivnet", owner]]],
  };
  const refuse = () => Promise.reject(new Error("nothing is changed"));
  return {
    select: () => Promise.resolve([[{ "datapath_types": ["set", ["netdev"]] }], [bridge]]),
    ...{ vsctl: refuse, changeFlows: refuse },
  } as unknown as Parameters<typeof ensureBridge>[0];
}

const refusals = [
  {
    name: "an agent of another host label: its label is the way out, not to remove the pods' ports",
    owner: "vm",
    want:
      "bridge contivBridge refused: an agent with host label vm set it up, and it has 2 ports; start this " +
      "agent with --host-label vm, or with another --bridge; do not remove the ports, which cuts their pods off",
  },
  {
    name: "somebody else",
    owner: undefined,
    want:
      "bridge contivBridge refused: it was not created by k8contivnet and has 2 ports; set another " +
      "--bridge, or remove its ports",
  },
];
for (const { name, owner, want } of refusals) {
  Deno.test(`ensureBridge() refuses a bridge with ports that was set up by ${name}`, async () => {
    const options = { bridge: "contivBridge", owner: "host1" } as const;
    const ensured = ensureBridge(toolsWith(owner), options as never, performance.now() + 5_000);
    assertEquals((await assertRejects(() => ensured, Fault)).message, want);
  });
}
