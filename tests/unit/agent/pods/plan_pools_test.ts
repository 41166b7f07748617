import { assertEquals } from "@std/assert";
import {
  isLow,
  planPools,
  type PoolNetwork,
  type SeenPorts,
  sizeOf,
} from "../../../../lib/agent/pods/plan_pools.ts";
import { parkedPort, warmPortName } from "../../../../lib/agent/pods/port_external_ids.ts";

const RED: PoolNetwork = { tenant: "t", network: "red", tag: 7, mtu: 1400, pods: 3, burst: 0 };
const BLUE: PoolNetwork = { tenant: "t", network: "blue", tag: 8, mtu: 1400, pods: 1, burst: 0 };
const nameOf = (n: number) => warmPortName(String(n).padStart(11, "0"));

/** Parked ports `from` … `to - 1` of a network, as they are when all is well. */
function portsOf(network: PoolNetwork, from: number, to: number): SeenPorts {
  const names = Array.from({ length: to - from }, (_, at) => nameOf(from + at));
  return {
    rows: names.map((name, at) => ({ ...parkedPort({ ...network, name }), ofport: 1_000 + at })),
    outerEnds: names.map((name) => ({ name, alias: "k8contivnet:warm", isUp: true, mtu: 1400 })),
    innerEnds: names.map((name) => ({ name, mtu: 1400, isOccupied: false })),
  };
}

const NOTHING = portsOf(RED, 0, 0);
const plan = (networks: readonly PoolNetwork[], seen: SeenPorts, busy: readonly string[] = []) => {
  const { free, retired, added } = planPools(networks, seen, (name) => busy.includes(name));
  const counts = [...added].map(([{ network }, count]) => `${network} ${count}`);
  return { free: free.map(({ name }) => name), retired, added: counts };
};

Deno.test("planPools() fills empty pools", () => {
  assertEquals(plan([RED, BLUE], NOTHING), { free: [], retired: [], added: ["red 16", "blue 16"] });
  assertEquals(plan([], NOTHING), { free: [], retired: [], added: [] });
});

Deno.test("planPools() leaves pools alone until they are low", () => {
  const names = Array.from({ length: 9 }, (_, n) => nameOf(n));
  assertEquals(plan([RED], portsOf(RED, 0, 9)), { free: names, retired: [], added: [] });
  assertEquals(plan([RED], portsOf(RED, 0, 8)).added, ["red 8"]);
});

Deno.test("planPools() takes a port that Open vSwitch has not numbered yet", () => {
  const seen = portsOf(RED, 0, 3);
  const rows = seen.rows.map(({ ofport: _, ...row }) => row);
  assertEquals(plan([RED], { ...seen, rows }).retired, []);
});

Deno.test("planPools() removes what pods that went have left over", () => {
  const { free, retired } = plan([RED], portsOf(RED, 0, 40));
  assertEquals([free.length, retired.length], [16, 24]);
  assertEquals(plan([RED], portsOf(RED, 0, 32)).retired, []);
});

const spoilt: readonly [string, (seen: SeenPorts) => SeenPorts][] = [
  ["its outer end is gone", (seen) => ({ ...seen, outerEnds: [] })],
  ["its inner end is gone", (seen) => ({ ...seen, innerEnds: [] })],
  ["a pod still has it", (seen) => ({
    ...seen,
    innerEnds: seen.innerEnds.map((end) => ({ ...end, isOccupied: true })),
  })],
  ["it is down", (seen) => ({
    ...seen,
    outerEnds: seen.outerEnds.map((end) => ({ ...end, isUp: false })),
  })],
  ["its network has another MTU", (seen) => ({
    ...seen,
    outerEnds: seen.outerEnds.map((end) => ({ ...end, mtu: 1300 })),
  })],
  ["its network has another tag", (seen) => ({
    ...seen,
    rows: seen.rows.map((row) => ({ ...row, tag: 9 })),
  })],
  ["Open vSwitch could not open it", (seen) => ({
    ...seen,
    rows: seen.rows.map(({ ofport: _, ...row }) => ({ ...row, error: "no such device" })),
  })],
  ["its network is gone", (seen) => ({
    ...seen,
    rows: seen.rows.map((row) => ({ ...row, externalIds: { tenant: "t", network: "old" } })),
  })],
  ["it has a link without a row", (seen) => ({ ...seen, rows: [] })],
];
for (const [why, spoil] of spoilt) {
  Deno.test(`planPools() removes a port because ${why}`, () => {
    const { free, retired } = plan([RED], spoil(portsOf(RED, 0, 1)));
    assertEquals([free, retired], [[], [nameOf(0)]]);
  });

  Deno.test(`planPools() leaves it to those who work on it, though ${why}`, () => {
    const { free, retired } = plan([RED], spoil(portsOf(RED, 0, 1)), [nameOf(0)]);
    assertEquals([free, retired], [[], []]);
  });
}

Deno.test("planPools() never touches ports of pods, nor those that are not warm", () => {
  const seen = portsOf(RED, 0, 1);
  const used = seen.rows.map((row) => ({ ...row, externalIds: { attachment: "1", tenant: "x" } }));
  assertEquals(plan([], { ...seen, rows: used }).retired, []);
  const plain = seen.rows.map((row) => ({ ...row, name: "cv00000000000" }));
  const ends = seen.outerEnds.map((end) => ({ ...end, name: "cv00000000000" }));
  assertEquals(plan([], { rows: plain, outerEnds: ends, innerEnds: [] }).retired, []);
});

Deno.test("sizeOf() grows with a network's pods and its latest burst, and shrinks with the number of networks", () => {
  const sizes = [[0, 1], [10, 1], [100, 1], [100, 8], [100, 20], [100, 200]] as const;
  assertEquals(
    sizes.map(([pods, networks]) => sizeOf({ pods, burst: 0 }, networks)),
    [16, 20, 32, 16, 6, 4],
  );
  const bursts = [[9, 1], [50, 1], [300, 1], [50, 8]] as const;
  assertEquals(
    bursts.map(([burst, networks]) => sizeOf({ pods: 1, burst }, networks)),
    [16, 50, 128, 16],
  );
  assertEquals([16, 17].map((free) => isLow(free, 32)), [true, false]);
});
