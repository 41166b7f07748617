// The contract of a Switch with both of its drivers, on a real Open vSwitch that all tests share: each
// has a bridge of its own.

import { openSwitch } from "../../lib/ovs/ports/open_switch.ts";
import { run } from "../lab/run.ts";
import { type SwitchBench, switchContract } from "../contract/switch_contract.ts";
import type { DriverName } from "../lab/fabric_host.ts";
import { type Ovs, startOvs } from "../lab/ovs.ts";

let dir: string;
let ovs: Ovs;
let bridges = 0;

Deno.test.beforeAll(async () => {
  dir = await Deno.makeTempDir();
  ovs = await startOvs(dir);
});
Deno.test.afterAll(async () => {
  await ovs.stop();
  await Deno.remove(dir, { recursive: true });
});

switchContract("jsonrpc", () => openBench("jsonrpc"));
switchContract("vsctl", () => openBench("vsctl"));
switchContract("jsonrpc, delivery by flows", () => openBench("jsonrpc", { hasDelivery: true }));

/** Opens a Switch on a bridge that does not exist yet. */
function openBench(driver: DriverName, { hasDelivery = false } = {}): Promise<SwitchBench> {
  const bridge = `contract${bridges++}`;
  const policyVlans = new Set<number>();
  const links: string[] = [];
  const options = { ovsdb: ovs.db, rundir: ovs.rundir, bridge, owner: "host-1", policyVlans };
  const opened = openSwitch(driver, { ...options, hasDelivery, datapath: "netdev" });
  const addLink = async (name: string) => {
    if (links.includes(name)) return;
    links.push(name);
    await run("ip", ["link", "add", name, "up", "type", "veth", "peer", "name", `${name}p`]);
  };
  return Promise.resolve({
    switch: opened,
    ...{ policyVlans, hasDelivery },
    addLink,
    addForeignPort: async (name) => {
      await addLink(name);
      await ovs.vsctl("add-port", bridge, name);
    },
    portNames: async () => (await ovs.vsctl("list-ports", bridge)).split("\n").filter(Boolean),
    tagByHand: async (name, tag) => void await ovs.vsctl("set", "Port", name, `tag=${tag}`),
    removeByHand: async (name) => void await ovs.vsctl("del-port", bridge, name),
    flows: async () => {
      const options = ["-OOpenFlow14", "--no-stats", "--no-names"];
      const text = await ovs.ofctl(
        "dump-flows",
        bridge,
        ...options,
        "cookie=0x6b38000100000000/0xffffffff00000000",
      );
      return text.split("\n").map((line) => line.trim()).filter((line) =>
        line.startsWith("cookie=")
      )
        .sort();
    },
    deleteFlows: async () => void await ovs.ofctl("del-flows", bridge),
    [Symbol.asyncDispose]: async () => {
      await opened.close();
      await ovs.vsctl("--if-exists", "del-br", bridge);
      for (const link of links) await run("ip", ["link", "del", link]);
    },
  });
}
