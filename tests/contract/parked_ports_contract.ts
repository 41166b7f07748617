// What every Switch promises of parked ports: rows without flows, then a pod's port, then parked again.

import { assertEquals } from "@std/assert";
import type { ParkedPort, PortSpec } from "../../lib/ovs/switch.ts";
import { waitFor } from "../lab/wait.ts";
import {
  add,
  assertFault,
  assertPorts,
  type Declare,
  numberedRows,
  specOf,
  type SwitchBench,
} from "./switch_contract.ts";

function parkedOf({ name, tag }: PortSpec): ParkedPort {
  return { name, tag, externalIds: { tenant: "tenant", network: "red" } };
}

async function addParked(bench: SwitchBench, specs: readonly PortSpec[]): Promise<void> {
  for (const { name } of specs) await bench.addLink(name);
  await bench.switch.addParkedPorts(specs.map(parkedOf));
}

async function withoutFlows(bench: SwitchBench): Promise<void> {
  await waitFor("flows to be gone", async () => (await bench.flows()).length === 0);
}

/** Declares the tests. */
export function parkedPortsContract(promise: Declare): void {
  promise("parked ports have rows and numbers, and no flows", async (bench) => {
    const specs = [1, 2, 3].map((n) => specOf(n));
    await addParked(bench, specs);
    const rows = await numberedRows(bench);
    assertEquals(
      rows.map(({ ofport: _, ...row }) => row).sort((a, b) => a.name < b.name ? -1 : 1),
      specs.map(parkedOf),
    );
    assertEquals(new Set(rows.map(({ ofport }) => ofport)).size, 3);
    const some = await bench.switch.ports(["swp2", "swp9"]);
    assertEquals(some.map(({ name }) => name), ["swp2"]);
    assertEquals(await bench.flows(), []);
    await bench.switch.syncPorts([]);
    await bench.switch.refreshAntispoofFlows();
    await bench.switch.addParkedPorts([]);
    assertEquals(await bench.flows(), []);
  });

  promise("of parked ports of which one cannot be added none is left", async (bench) => {
    await bench.addLink("swp1");
    const both = [parkedOf(specOf(1)), parkedOf(specOf(2))];
    await assertFault(bench.switch.addParkedPorts(both), "failed");
    assertEquals(await bench.switch.ports(), []);
    await add(bench, specOf(3));
    await bench.addLink("swp2");
    const taken = [parkedOf(specOf(1)), parkedOf(specOf(3))];
    await assertFault(bench.switch.addParkedPorts(taken), "conflict");
    await assertPorts(bench, [specOf(3)]);
    await bench.switch.addParkedPorts(both);
    assertEquals((await bench.switch.ports()).length, 3);
  });

  promise("a parked port is assigned, parked and assigned to another pod", async (bench) => {
    await addParked(bench, [specOf(1)]);
    const [before] = await numberedRows(bench);
    for (const n of [1, 2, 1]) {
      const spec = { ...specOf(n), name: "swp1" };
      let sent = 0;
      bench.switch.expectPort();
      await bench.switch.assignPort(spec, () => sent++);
      assertEquals(sent, 1);
      await assertPorts(bench, [spec]);
      assertEquals(await bench.switch.missingFlows(spec), []);
      await bench.switch.parkPorts([parkedOf(spec), parkedOf(specOf(9))]);
      await bench.switch.forgetMacs([{ name: "swp1", tag: 101, mac: spec.mac }]);
      const rows = await bench.switch.ports();
      assertEquals(rows, [{ ...parkedOf(spec), ofport: before!.ofport! }]);
      await withoutFlows(bench);
    }
  });

  promise("many ports are assigned and parked side by side", async (bench) => {
    const specs = [1, 2, 3, 4, 5, 6].map((n) => specOf(n));
    await addParked(bench, specs);
    await Promise.all(specs.map((spec) => bench.switch.assignPort(spec)));
    await assertPorts(bench, specs);
    await Promise.all([
      bench.switch.parkPorts(specs.slice(1, 3).map(parkedOf)),
      bench.switch.removePorts(["swp1"]),
      bench.switch.parkPorts(specs.slice(3).map(parkedOf)),
    ]);
    await withoutFlows(bench);
    assertEquals((await bench.switch.ports()).length, 5);
  });

  promise("only a parked port of that tag is assigned", async (bench) => {
    await addParked(bench, [specOf(1)]);
    await add(bench, specOf(2));
    const before = await bench.flows();
    await assertFault(bench.switch.assignPort(specOf(2)), "not_found");
    await assertFault(bench.switch.assignPort(specOf(3)), "not_found");
    await assertFault(bench.switch.assignPort(specOf(1, { tag: 102 })), "not_found");
    await assertFault(bench.switch.assignPort(specOf(1, { mac: "x" })), "usage");
    assertEquals(await bench.flows(), before);
    await bench.switch.assignPort(specOf(1));
    await assertPorts(bench, [specOf(1), specOf(2)]);
  });

  promise(
    "syncPorts() adds no flows of a pod whose port was parked, or is another's",
    async (bench) => {
      const old = specOf(1, {
        externalIds: { tenant: "tenant", network: "red", attachment: "old" },
      });
      const now = {
        ...specOf(3),
        name: "swp1",
        externalIds: { ...old.externalIds, attachment: "now" },
      };
      await addParked(bench, [old]);
      await bench.switch.assignPort(old);
      await bench.switch.parkPorts([parkedOf(old)]);
      await withoutFlows(bench);
      await bench.switch.syncPorts([old]);
      assertEquals(await bench.flows(), []);
      await bench.switch.assignPort(now);
      await bench.switch.syncPorts([old]);
      await assertPorts(bench, [now]);
      await bench.switch.syncPorts([now]);
      await assertPorts(bench, [now]);
    },
  );

  promise("flows of ports that are parked during syncs stay away", async (bench) => {
    const specs = [1, 2, 3, 4].map((n) =>
      specOf(n, { externalIds: { tenant: "tenant", network: "red", attachment: `${n}` } })
    );
    await addParked(bench, specs);
    for (let round = 0; round < 3; round++) {
      await Promise.all(specs.map((spec) => bench.switch.assignPort(spec)));
      const syncs = [1, 2].map(() => bench.switch.syncPorts(specs));
      await Promise.all([
        ...syncs,
        ...specs.map((spec) => bench.switch.parkPorts([parkedOf(spec)])),
      ]);
      await withoutFlows(bench);
    }
    const others = specs.map((spec, n) => ({ ...specOf(n + 5), name: spec.name }));
    await Promise.all([
      bench.switch.syncPorts(specs),
      ...others.map((spec) => bench.switch.assignPort(spec)),
    ]);
    await assertPorts(bench, others);
  });

  promise("a parked port may be removed, or replaced by a pod's port", async (bench) => {
    await addParked(bench, [specOf(1), specOf(2)]);
    await bench.switch.removePorts(["swp1"]);
    await bench.switch.addPort(specOf(2));
    await assertPorts(bench, [specOf(2)]);
  });
}
