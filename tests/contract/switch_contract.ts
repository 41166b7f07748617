// What every Switch promises, as one suite: ports and their anti-spoofing flows, whole or not at all,
// and nothing of other programs. A driver's test calls it with a bench of its own.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { PortReach, PortRow, PortSpec, Switch } from "../../lib/ovs/switch.ts";
import { portFlows } from "../../lib/ovs/ports/port_flows.ts";
import { flowText } from "../../lib/ovs/openflow/flow.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { parkedPortsContract } from "./parked_ports_contract.ts";
import { policyVlansContract } from "./policy_vlans_contract.ts";
import { waitFor } from "../lab/wait.ts";

/** A bridge without ports, and what a test does around the Switch; disposing removes it. */
export interface SwitchBench extends AsyncDisposable {
  readonly switch: Switch;
  /** The Switch's `policyVlans`; a test changes it. */
  readonly policyVlans: Set<number>;
  /** That of the Switch. */
  readonly hasDelivery?: boolean;
  /** Makes a link, so that a port of that name can be added. */
  addLink(name: string): Promise<void>;
  /** Adds a port as another program would. */
  addForeignPort(name: string): Promise<void>;
  /** Lists all ports of the bridge, also those of other programs. */
  portNames(): Promise<string[]>;
  /** Sets the tag of a port of ours as an operator would. */
  tagByHand(name: string, tag: number): Promise<void>;
  /** Removes a port of ours as an operator would. */
  removeByHand(name: string): Promise<void>;
  /** Returns the flows of all ports as flowText() writes them, sorted. */
  flows(): Promise<string[]>;
  /** Deletes all flows, as an operator would. */
  deleteFlows(): Promise<void>;
}

type Step = (bench: SwitchBench) => Promise<void>;
/** Declares one test of the contract. */
export type Declare = (words: string, step: Step) => void;

/** Notifications come this late at most: one driver polls every two seconds. */
const NOTIFY_MS = 10_000;

/** Declares the tests of a Switch for the driver `name`. */
export function switchContract(name: string, open: () => Promise<SwitchBench>): void {
  const promise = (words: string, step: Step) =>
    Deno.test(`${name}: ${words}`, async () => {
      await using bench = await open();
      await bench.switch.ensureBridge();
      await step(bench);
    });
  declareAdding(promise);
  declareRefusals(promise);
  declareRemoval(promise);
  parkedPortsContract(promise);
  declareTags(promise);
  declareIds(promise);
  declareReach(promise);
  declareFlows(promise);
  policyVlansContract(promise);
  declareNotification(promise);
}

/** Returns a port of network `tenant/red`, with number `n` in name, MAC and address. */
export function specOf(n: number, more: Partial<PortSpec> = {}): PortSpec {
  return {
    name: `swp${n}`,
    tag: 101,
    mac: `02:02:0a:01:01:0${n}`,
    addresses: [`10.1.1.${n}`],
    externalIds: { tenant: "tenant", network: "red", pod: `pod "${n}"` },
    ...more,
  };
}

/** Adds a port with a link of its own. */
export async function add(bench: SwitchBench, spec: PortSpec): Promise<void> {
  await bench.addLink(spec.name);
  await bench.switch.addPort(spec);
}

/** Returns our rows when each has its OpenFlow number: a port may forward a moment before. */
export async function numberedRows({ switch: bridge }: SwitchBench): Promise<PortRow[]> {
  let rows: PortRow[] = [];
  await waitFor("rows with OpenFlow numbers", async () => {
    rows = await bridge.ports();
    return rows.every(({ ofport }) => ofport !== undefined);
  });
  return rows;
}

/** Asserts that rows and flows are exactly those of `specs`, as the policy VLANs are now. */
export async function assertPorts(bench: SwitchBench, specs: readonly PortSpec[]): Promise<void> {
  const rows = new Map((await numberedRows(bench)).map((row) => [row.name, row]));
  assertEquals([...rows.keys()].sort(), specs.map(({ name }) => name).sort());
  const flows = specs.flatMap((spec) => {
    const { ofport, ...row } = rows.get(spec.name)!;
    assertEquals(row, spec);
    return portFlows(ofport!, spec, bench).map(flowText);
  });
  assertEquals(await bench.flows(), flows.sort());
}

/** Asserts that `work` fails with a Fault of that code. */
export async function assertFault(work: Promise<unknown>, code: FaultCode): Promise<void> {
  const fault = await assertRejects(() => work, Fault);
  assertEquals([fault.code, fault.message], [code, fault.message]);
}

function declareAdding(promise: Declare): void {
  promise("ensureBridge() returns the datapath and keeps ports", async (bench) => {
    await add(bench, specOf(1));
    assertEquals(await bench.switch.ensureBridge(), "netdev");
    await assertPorts(bench, [specOf(1)]);
  });

  promise("addPort() leaves one row and its anti-spoofing flows", async (bench) => {
    const two = specOf(2, { addresses: ["10.1.1.2", "10.1.1.22"] });
    await add(bench, specOf(1));
    await add(bench, two);
    await assertPorts(bench, [specOf(1), two]);
    const { ovsdb, openflow } = bench.switch.state();
    assertEquals({ ovsdb, openflow }, { ovsdb: "up", openflow: "up" });
  });

  promise("addPort() replaces a port of ours, with its flows", async (bench) => {
    await add(bench, specOf(1));
    await bench.switch.addPort(specOf(1));
    await assertPorts(bench, [specOf(1)]);
    const other = specOf(1, { tag: 102, mac: "02:02:0a:01:01:09", addresses: ["10.1.1.9"] });
    await bench.switch.addPort(other);
    await assertPorts(bench, [other]);
  });

  promise("addPort() for many ports at once adds them all, numbered apart", async (bench) => {
    const specs = [1, 2, 3, 4, 5, 6].map((n) => specOf(n));
    for (const { name } of specs) await bench.addLink(name);
    await Promise.all(specs.map((spec) => bench.switch.addPort(spec)));
    await assertPorts(bench, specs);
    const numbers = (await numberedRows(bench)).map(({ ofport }) => ofport);
    assertEquals(new Set(numbers).size, specs.length);
  });

  promise("addPort() twice at once for one name leaves one port", async (bench) => {
    await bench.addLink("swp1");
    await Promise.all([bench.switch.addPort(specOf(1)), bench.switch.addPort(specOf(1))]);
    await assertPorts(bench, [specOf(1)]);
  });

  promise("a MAC in capitals is stored in lower case", async (bench) => {
    await add(bench, specOf(1, { mac: "02:02:0A:01:01:01" }));
    await assertPorts(bench, [specOf(1)]);
  });
}

function declareRefusals(promise: Declare): void {
  const wrong: readonly [string, Partial<PortSpec>][] = [
    ["a name that no link can have", { name: "no link's name" }],
    ["a tag out of range", { tag: 4095 }],
    ["a multicast MAC", { mac: "01:02:0a:01:01:01" }],
    ["an address with a prefix", { addresses: ["10.1.1.1/24"] }],
  ];
  for (const [words, more] of wrong) {
    promise(`addPort() rejects ${words} and leaves nothing`, async (bench) => {
      await assertFault(bench.switch.addPort(specOf(1, more)), "usage");
      await assertPorts(bench, []);
    });
  }

  promise("addPort() without a link fails and leaves nothing; with one it works", async (bench) => {
    await assertFault(bench.switch.addPort(specOf(1)), "failed");
    await assertPorts(bench, []);
    await add(bench, specOf(1));
    await assertPorts(bench, [specOf(1)]);
  });

  promise("addPort() never replaces another program's port", async (bench) => {
    await bench.addForeignPort("swp1");
    await assertFault(bench.switch.addPort(specOf(1)), "conflict");
    assertEquals(await bench.portNames(), ["swp1"]);
    await assertPorts(bench, []);
  });

  promise("addPort() refuses a VLAN that another network still uses", async (bench) => {
    await add(bench, specOf(1));
    await bench.addLink("swp2");
    const other = specOf(2, { externalIds: { tenant: "tenant", network: "blue" } });
    await assertFault(bench.switch.addPort(other), "unavailable");
    await assertPorts(bench, [specOf(1)]);
  });
}

function declareRemoval(promise: Declare): void {
  promise("removePorts() removes rows and flows; absent ports are a success", async (bench) => {
    for (const n of [1, 2, 3]) await add(bench, specOf(n));
    await bench.switch.removePorts(["swp1", "swp3", "swp9"]);
    await assertPorts(bench, [specOf(2)]);
    await bench.switch.removePorts(["swp1"]);
    await bench.switch.removePorts([]);
    await assertPorts(bench, [specOf(2)]);
  });

  promise("removePorts() leaves another program's port", async (bench) => {
    await bench.addForeignPort("swp1");
    await bench.switch.removePorts(["swp1"]);
    assertEquals(await bench.portNames(), ["swp1"]);
  });

  promise("a removed port can be added again at once", async (bench) => {
    await add(bench, specOf(1));
    const [before] = await numberedRows(bench);
    await bench.switch.removePorts(["swp1"]);
    await bench.switch.addPort(specOf(1));
    await assertPorts(bench, [specOf(1)]);
    const [after] = await numberedRows(bench);
    assertNotEquals(after?.ofport, before?.ofport);
  });
}

function declareTags(promise: Declare): void {
  promise("setTag() moves a port; its flows follow the policy VLANs", async (bench) => {
    bench.policyVlans.add(102);
    await add(bench, specOf(1));
    await bench.switch.setTag("swp1", 102);
    await assertPorts(bench, [specOf(1, { tag: 102 })]);
    assert((await bench.flows()).some((flow) => flow.includes("goto_table")));
    await bench.switch.setTag("swp1", 101);
    await assertPorts(bench, [specOf(1)]);
  });

  promise("setTag() of an absent port is not_found, of an invalid tag usage", async (bench) => {
    await assertFault(bench.switch.setTag("swp1", 102), "not_found");
    await add(bench, specOf(1));
    await assertFault(bench.switch.setTag("swp1", 0), "usage");
    await assertPorts(bench, [specOf(1)]);
  });
}

function declareIds(promise: Declare): void {
  promise(
    "setExternalIds() changes what is recorded of a port, and nothing else",
    async (bench) => {
      await add(bench, specOf(1));
      const [before] = await numberedRows(bench);
      const flows = await bench.flows();
      const { network: _, ...rest } = specOf(1).externalIds;
      const externalIds = { ...rest, gateway: "10.1.1.254", pod: `other "pod"` };
      await bench.switch.setExternalIds(specOf(1, { externalIds }));
      assertEquals(await numberedRows(bench), [{ ...before!, externalIds }]);
      assertEquals(await bench.flows(), flows);
    },
  );

  promise("setExternalIds() of an absent port is not_found", async (bench) => {
    await assertFault(bench.switch.setExternalIds(specOf(1)), "not_found");
    assertEquals(await bench.switch.ports(), []);
  });
}

/** A distributed gateway: with it, flows do not depend on the policy VLANs. */
export const REACH: PortReach = {
  gateway: "10.1.1.254",
  hostMac: "02:02:64:41:00:01",
  hasServices: true,
};
const ALIASED: PortReach = {
  ...REACH,
  alias: { address: "100.64.0.1", hairpin: "100.64.128.1" },
};

function declareReach(promise: Declare): void {
  promise(
    "a port with a distributed gateway has its flows and remembers what they are made of",
    async (bench) => {
      const specs = [
        specOf(1, { reach: REACH }),
        specOf(2, { reach: { ...ALIASED, hasServices: false } }),
        specOf(3),
      ];
      for (const spec of specs) await add(bench, spec);
      await assertPorts(bench, specs);
      await bench.deleteFlows();
      await bench.switch.refreshAntispoofFlows();
      await assertPorts(bench, specs);
      await bench.switch.removePorts(["swp1", "swp2"]);
      await assertPorts(bench, [specOf(3)]);
    },
  );

  promise("setTag() leaves no flow of a distributed gateway for the former tag", async (bench) => {
    await add(bench, specOf(1, { reach: ALIASED }));
    await bench.switch.setTag("swp1", 102);
    await assertPorts(bench, [specOf(1, { reach: ALIASED, tag: 102 })]);
  });

  promise("setExternalIds() makes the flows of a port follow its reach", async (bench) => {
    await add(bench, specOf(1));
    for (const reach of [REACH, ALIASED, { ...REACH, gateway: "10.1.1.253" }, undefined]) {
      const spec = specOf(1, reach && { reach });
      await bench.switch.setExternalIds(spec);
      await assertPorts(bench, [spec]);
    }
  });

  promise(
    "addPort() refuses a reach that is not made of addresses, and leaves nothing",
    async (bench) => {
      await bench.addLink("swp1");
      const alias = { address: "100.64.0.1", hairpin: "100.64.128.1 drop" };
      for (const wrong of [{ gateway: "10.1.1" }, { hostMac: "01:00:5e:00:00:01" }, { alias }]) {
        const spec = specOf(1, { reach: { ...REACH, ...wrong } });
        await assertFault(bench.switch.addPort(spec), "usage");
      }
      await assertPorts(bench, []);
    },
  );
}

function declareFlows(promise: Declare): void {
  promise("syncPorts() restores flows that an operator deleted", async (bench) => {
    const specs = [specOf(1), specOf(2)];
    for (const spec of specs) await add(bench, spec);
    await bench.deleteFlows();
    assertEquals(await bench.flows(), []);
    await bench.switch.syncPorts([...specs, specOf(3)]);
    await assertPorts(bench, specs);
  });

  promise("syncPorts() removes flows of ports whose row is gone", async (bench) => {
    await add(bench, specOf(1));
    await add(bench, specOf(2));
    await bench.removeByHand("swp1");
    await bench.switch.syncPorts([specOf(2)]);
    await assertPorts(bench, [specOf(2)]);
  });

  promise("syncPorts() keeps the flows of a port that it was not given", async (bench) => {
    await add(bench, specOf(1));
    await add(bench, specOf(2));
    await bench.switch.syncPorts([specOf(1)]);
    await assertPorts(bench, [specOf(1), specOf(2)]);
  });

  promise(
    "missingFlows() names the flows of a port that are gone, of no other port",
    async (bench) => {
      for (const n of [1, 2]) await add(bench, specOf(n));
      assertEquals(await bench.switch.missingFlows(specOf(1)), []);
      const before = await bench.flows();
      await bench.deleteFlows();
      const missing = await bench.switch.missingFlows(specOf(1));
      assertEquals(missing.length, before.length / 2);
      assert(missing.every((flow) => before.includes(flow)), missing.join("\n"));
      await assertFault(bench.switch.missingFlows(specOf(3)), "not_found");
    },
  );
}

function declareNotification(promise: Declare): void {
  promise("onChange() notifies when another program moves a port of ours", async (bench) => {
    await add(bench, specOf(1));
    const { promise: notified, resolve } = Promise.withResolvers<void>();
    let stopped = 0;
    const stopOther = bench.switch.onChange(() => stopped++);
    stopOther();
    const stop = bench.switch.onChange(resolve);
    await bench.tagByHand("swp1", 102);
    const timer = setTimeout(resolve, NOTIFY_MS);
    const startMs = performance.now();
    await notified;
    clearTimeout(timer);
    stop();
    assert(performance.now() - startMs < NOTIFY_MS, "no notification");
    assertEquals(stopped, 0);
    assertEquals((await bench.switch.ports()).map(({ tag }) => tag), [102]);
  });
}
