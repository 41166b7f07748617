// The Switch of unit tests: it keeps the contract of the real drivers, and injects faults.

import { assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import { type SwitchBench, switchContract } from "../../contract/switch_contract.ts";
import { MemorySwitch } from "../../memory/memory_switch.ts";

switchContract("memory", () => Promise.resolve(openBench()));

function openBench(): SwitchBench {
  const policyVlans = new Set<number>();
  const bridge = new MemorySwitch(policyVlans);
  for (let n = 1; n <= 9; n++) bridge.missingLinks.add(`swp${n}`);
  return {
    switch: bridge,
    policyVlans,
    addLink: (name) => Promise.resolve(void bridge.missingLinks.delete(name)),
    addForeignPort: (name) => Promise.resolve(void bridge.foreign.add(name)),
    portNames: () => Promise.resolve([...bridge.rows.keys(), ...bridge.foreign].sort()),
    tagByHand: (name, tag) => {
      bridge.rows.set(name, { ...bridge.rows.get(name)!, tag });
      return Promise.resolve(bridge.notify());
    },
    removeByHand: (name) => {
      bridge.rows.delete(name);
      return Promise.resolve(bridge.notify());
    },
    flows: () => Promise.resolve(bridge.flows()),
    deleteFlows: () => Promise.resolve(bridge.loseFlows()),
    [Symbol.asyncDispose]: () => bridge.close(),
  };
}

const DOWN = new Fault("unavailable", "Open vSwitch is down");
const PORT = {
  name: "cv1",
  tag: 5,
  mac: "02:02:0a:01:01:02",
  addresses: ["10.1.1.2"],
  externalIds: {},
};

Deno.test("memory switch: a fault comes once, before the work or with all of it done", async () => {
  const bridge = new MemorySwitch();
  bridge.failNext("addPort", DOWN);
  await assertRejects(() => bridge.addPort(PORT), Fault, "down");
  assertEquals(bridge.rows.size, 0);
  bridge.failNext("addPort", DOWN, "after");
  await assertRejects(() => bridge.addPort(PORT), Fault, "down");
  assertEquals([bridge.rows.size, bridge.flows().length], [1, 3]);
  await bridge.addPort(PORT);
  assertEquals(bridge.calls, ["addPort cv1", "addPort cv1", "addPort cv1"]);
});

Deno.test("memory switch: a call hangs until the test lets it go on; others do not", async () => {
  const bridge = new MemorySwitch();
  const release = bridge.hangNext("addPort");
  const hanging = bridge.addPort(PORT);
  assertEquals(await bridge.ports(), []);
  release();
  await hanging;
  assertEquals((await bridge.ports()).map(({ name }) => name), ["cv1"]);
});

Deno.test("memory switch: a closed one refuses, and what hangs ends with a fault", async () => {
  const bridge = new MemorySwitch();
  const hanging = bridge.addPort(PORT);
  const release = bridge.hangNext("setTag");
  await hanging;
  const late = bridge.setTag("cv1", 6);
  await bridge.close();
  release();
  await assertRejects(() => late, Fault, "closed");
  await assertRejects(() => bridge.ports(), Fault, "closed");
});
