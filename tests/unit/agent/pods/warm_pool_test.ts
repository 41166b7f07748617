import { assert, assertEquals } from "@std/assert";
import { WarmPool, type WarmPoolDeps } from "../../../../lib/agent/pods/warm_pool.ts";
import { keys, type NetworkRecord } from "../../../../lib/intent/records.ts";
import type { ParkedPort, PortRow } from "../../../../lib/ovs/switch.ts";
import { waitFor } from "../../../lab/wait.ts";

const RED = { tenant: "t", name: "red" } as NetworkRecord;
const [SIZE, LOW] = [16, 8];

/** A pool over ports in memory, on a clock on which nobody has come for long; counts how often all are looked at. */
function poolInMemory() {
  const rows: PortRow[] = [];
  const looks = { count: 0 };
  let [nowMs, id] = [0, 0];
  const deps = {
    host: "h1",
    store: { documents: new Map([[keys.network("t", "red"), { value: RED }]]) },
    switch: {
      ports: () => {
        looks.count++;
        return Promise.resolve(rows);
      },
      expectPort: () => {},
      addParkedPorts: (ports: readonly ParkedPort[]) => {
        rows.push(...ports);
        return Promise.resolve();
      },
      removePorts: () => Promise.resolve(),
    },
    links: {
      hostEnds: () => Promise.resolve(rows.map(({ name }) => ({ name, isUp: true, mtu: 1_400 }))),
      removeLinks: () => Promise.resolve(),
    },
    warmLinks: {
      isSupported: () => Promise.resolve(true),
      createPairs: () => Promise.resolve(),
      innerEnds: () => Promise.resolve(rows.map(({ name }) => ({ name, isOccupied: false }))),
    },
    warmPorts: { clearing: new Set(), onFree: () => {} },
    networks: {
      tags: { tagOf: () => 7 },
      mtus: { of: () => 1_400 },
      datapath: () => "netdev",
    },
    newId: () => (++id).toString(16).padStart(11, "0"),
    clock: { now: () => nowMs += 2_000 },
    log: { info: () => {}, warn: () => {} },
    isEnabled: true,
  } as unknown as WarmPoolDeps;
  return { pool: new WarmPool(deps), rows, looks };
}

Deno.test("WarmPool looks at all ports and links only once a pool is low", async () => {
  const { pool, rows, looks } = poolInMemory();
  const end = new AbortController();
  const keeping = pool.keep(end.signal);
  const reservation = pool.reserve();
  const take = (interfaceName: string) => reservation.portFor(RED, interfaceName);
  assertEquals(take("none yet"), undefined);
  await waitFor("the pool to be filled", () => rows.length === SIZE);
  const before = looks.count;
  for (let left = SIZE; left > LOW + 1; left--) {
    assert(take(`eth${left}`));
    await new Promise((done) => setTimeout(done, 5)); // the pool's turn
  }
  assertEquals(looks.count, before);
  assert(take("one more"));
  await waitFor("the pool to be filled", () => rows.length > SIZE);
  assert(looks.count > before);
  end.abort();
  await keeping;
});
