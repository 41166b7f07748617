// Each change of lines asks for another bit, in the same bundle, and nothing of it is left at the end.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  flushBitOf,
  flushFlow,
  flushing,
  nextFlushBit,
} from "../../../../lib/ovs/policy_tables/megaflow_flush.ts";
import { planFlows } from "../../../../lib/ovs/openflow/plan_flows.ts";
import type { PolicyTables } from "../../../../lib/ovs/policy_tables/policy_tables.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const POLICY = "cookie=0x6b38000600000000, table=10, priority=10,reg0=0x64 actions=NORMAL";
const OTHER = "cookie=0x6b38000600000000, table=10, priority=10,reg0=0x65 actions=NORMAL";

/** A switch's tables in memory; `refuses` the next change. */
class Lines {
  lines = new Set<string>();
  refuses = false;
  reads = 0;
  bundles: string[][] = [];
  waits = 0;

  get tables(): PolicyTables {
    const parts: Partial<PolicyTables> = {
      read: () => {
        this.reads++;
        return Promise.resolve([...this.lines]);
      },
      change: (have, want) => {
        if (this.refuses) return Promise.reject(new Fault("timeout", "no answer"));
        const bundle = planFlows(have, want);
        if (bundle.length > 0) this.bundles.push(bundle);
        for (const line of have) this.lines.delete(line);
        for (const line of want) this.lines.add(line);
        return Promise.resolve();
      },
      revalidated: () => Promise.resolve(void this.waits++),
    };
    return parts as PolicyTables;
  }

  get bits(): (number | undefined)[] {
    return [...this.lines].map(flushBitOf).filter((bit) => bit !== undefined);
  }
}

Deno.test("a change of lines asks for another bit than the one before, in one bundle with it", async () => {
  const lines = new Lines();
  const tables = flushing(lines.tables, () => true);
  await tables.change([], [POLICY]);
  const before = lines.bits;
  await tables.change([POLICY], [OTHER]);
  assertEquals(lines.bundles.length, 2);
  assertEquals(lines.bits.length, 1);
  assertNotEquals(lines.bits, before);
  assertEquals((await tables.read()).sort(), [OTHER]);
});

Deno.test("where nothing changes nothing is renewed, nor where the datapath needs none", async () => {
  const lines = new Lines();
  const tables = flushing(lines.tables, () => true);
  await tables.change([POLICY], [POLICY]);
  assertEquals(lines.bundles, []);
  const other = flushing(lines.tables, () => false);
  await other.change([], [POLICY]);
  await other.flush();
  assertEquals([...lines.lines], [POLICY]);
});

Deno.test("all bits are used in turn, and come round", async () => {
  const lines = new Lines();
  const tables = flushing(lines.tables, () => true);
  const seen: (number | undefined)[] = [];
  for (let n = 0; n < 40; n++) {
    await tables.flush();
    seen.push(...lines.bits);
  }
  assertEquals(seen, Array.from({ length: 40 }, (_, n) => n % 32));
  assertEquals(nextFlushBit([31, 0]), 1);
});

Deno.test("what another agent, or a change without an answer, has left is found in the switch", async () => {
  const lines = new Lines();
  lines.lines.add(flushFlow(7));
  const tables = flushing(lines.tables, () => true);
  await tables.change([], [POLICY]);
  assertEquals(lines.bits, [8]);
  lines.refuses = true;
  await assertRejects(() => tables.flush(), Fault);
  lines.refuses = false;
  lines.lines.delete(flushFlow(8));
  lines.lines.add(flushFlow(9)); // it was done after all
  await tables.flush();
  assertEquals(lines.bits, [10]);
});

Deno.test("at the end the switch has been waited for, and nothing is left", async () => {
  const lines = new Lines();
  const tables = flushing(lines.tables, () => true);
  await tables.change([], [POLICY]);
  await tables.change([POLICY], []);
  assertEquals(lines.bits.length, 1);
  await tables.removeFlushFlow();
  assertEquals([[...lines.lines], lines.waits], [[], 1]);
  const { reads } = lines;
  await tables.removeFlushFlow();
  assertEquals([lines.waits, lines.reads], [1, reads]);
});

Deno.test("a flow is read as the switch prints it", () => {
  const printed =
    "cookie=0x6b38000600000000, priority=65535,pkt_mark=0x80000000/0x80000000,reg15=0x1 actions=drop";
  assertEquals(flushBitOf(printed), 31);
  assertEquals(flushBitOf(POLICY), undefined);
  assert(flushFlow(31).includes("pkt_mark=0x80000000/0x80000000"));
});
