// How many records a host reads to check its store.

import { assertEquals } from "@std/assert";
import { recordBudget } from "../../../../lib/agent/doctor/record_budget.ts";

Deno.test("what all hosts read together stays the same, however many there are", async () => {
  const cases: readonly [records: number, hosts: number, isFew: boolean][] = [
    [0, 0, true],
    [20_000, 0, true], // agents of one host, and of older versions, write no heartbeats
    [20_000, 1, true],
    [20_001, 1, false],
    [20_000, 10, true],
    [20_000, 11, false],
    [2_000, 100, true],
    [2_001, 100, false],
    [150_000, 5_000, false],
    [40, 5_000, true],
  ];
  for (const [records, hosts, isFew] of cases) {
    const count = (prefixes: readonly string[]) => {
      assertEquals(prefixes, ["x/", "agents/"]);
      return Promise.resolve([records, hosts]);
    };
    assertEquals(await recordBudget({ count }, "x/"), { count: records, isFew }, `${hosts} hosts`);
  }
});
