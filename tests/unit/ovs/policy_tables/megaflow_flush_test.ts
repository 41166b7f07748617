// Each change of flows uses another flush bit, in the same bundle, and no flush flow is left at the end.

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

/** The tables of a switch in memory; `refuses` makes the next change fail. */
class Tables {
  flows = new Set<string>();
  refuses = false;
  reads = 0;
  bundles: string[][] = [];
  waits = 0;

  get tables(): PolicyTables {
    const parts: Partial<PolicyTables> = {
      read: () => {
        this.reads++;
        return Promise.resolve([...this.flows]);
      },
      change: (have, want) => {
        if (this.refuses) return Promise.reject(new Fault("timeout", "no answer"));
        const bundle = planFlows(have, want);
        if (bundle.length > 0) this.bundles.push(bundle);
        for (const line of have) this.flows.delete(line);
        for (const line of want) this.flows.add(line);
        return Promise.resolve();
      },
      revalidated: () => Promise.resolve(void this.waits++),
    };
    return parts as PolicyTables;
  }

  get bits(): (number | undefined)[] {
    return [...this.flows].map(flushBitOf).filter((bit) => bit !== undefined);
  }
}

Deno.test("a change of flows uses another flush bit than the one before, in the same bundle", async () => {
  const fake = new Tables();
  const tables = flushing(fake.tables, () => true);
  await tables.change([], [POLICY]);
  const before = fake.bits;
  await tables.change([POLICY], [OTHER]);
  assertEquals(fake.bundles.length, 2);
  assertEquals(fake.bits.length, 1);
  assertNotEquals(fake.bits, before);
  assertEquals((await tables.read()).sort(), [OTHER]);
});

Deno.test("where nothing changes nothing is renewed, nor where the datapath needs none", async () => {
  const fake = new Tables();
  const tables = flushing(fake.tables, () => true);
  await tables.change([POLICY], [POLICY]);
  assertEquals(fake.bundles, []);
  const other = flushing(fake.tables, () => false);
  await other.change([], [POLICY]);
  await other.flush();
  assertEquals([...fake.flows], [POLICY]);
});

Deno.test("all bits are used in turn, and come round", async () => {
  const fake = new Tables();
  const tables = flushing(fake.tables, () => true);
  const seen: (number | undefined)[] = [];
  for (let n = 0; n < 40; n++) {
    await tables.flush();
    seen.push(...fake.bits);
  }
  assertEquals(seen, Array.from({ length: 40 }, (_, n) => n % 32));
  assertEquals(nextFlushBit([31, 0]), 1);
});

Deno.test("what another agent, or a change without an answer, has left is found in the switch", async () => {
  const fake = new Tables();
  fake.flows.add(flushFlow(7));
  const tables = flushing(fake.tables, () => true);
  await tables.change([], [POLICY]);
  assertEquals(fake.bits, [8]);
  fake.refuses = true;
  await assertRejects(() => tables.flush(), Fault);
  fake.refuses = false;
  fake.flows.delete(flushFlow(8));
  fake.flows.add(flushFlow(9)); // it was done after all
  await tables.flush();
  assertEquals(fake.bits, [10]);
});

Deno.test("at the end the switch has been waited for, and nothing is left", async () => {
  const fake = new Tables();
  const tables = flushing(fake.tables, () => true);
  await tables.change([], [POLICY]);
  await tables.change([POLICY], []);
  assertEquals(fake.bits.length, 1);
  await tables.removeFlushFlow();
  assertEquals([[...fake.flows], fake.waits], [[], 1]);
  const { reads } = fake;
  await tables.removeFlushFlow();
  assertEquals([fake.waits, fake.reads], [1, reads]);
});

Deno.test("a flow is read as the switch prints it", () => {
  const printed =
    "cookie=0x6b38000600000000, priority=65535,pkt_mark=0x80000000/0x80000000,reg15=0x1 actions=drop";
  assertEquals(flushBitOf(printed), 31);
  assertEquals(flushBitOf(POLICY), undefined);
  assert(flushFlow(31).includes("pkt_mark=0x80000000/0x80000000"));
});
