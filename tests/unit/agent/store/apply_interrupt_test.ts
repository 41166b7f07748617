// An apply that is interrupted between two commits: what it leaves is consistent, recorded, and can be completed or
// taken back.

import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { Intents } from "../../../../lib/agent/store/intents.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { brokenPromises } from "../../intent/check_store.ts";
import { runs } from "../../cases.ts";

const text = (names: readonly string[]) =>
  JSON.stringify({
    Tenants: [{
      ...{ Name: "t", DefaultNetType: "vlan", SubnetPool: "10.0.0.0/8", AllocSubnetLen: 20 },
      Vlans: "100-200",
      Networks: [{ Name: "n", Endpoints: names.map((Container) => ({ Container })) }],
    }],
  });

const names = (count: number, prefix = "p") =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

const clock = () => "2026-11-26T00:00:00Z";
const endpoints = (store: MemoryStore) => store.database.keysBelow("endpoints/").sort();

Deno.test("wherever an apply is interrupted, it can be completed, and taken back", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(25), fc.boolean(), async (after, isPruning) => {
      const store = new MemoryStore();
      const cache = await StoreCache.load(store);
      const intents = new IntentStore(cache, clock, () => 0.5);
      await intents.apply({ mode: "add", text: text(names(3, "old")) });
      const before = endpoints(store);
      const end = new AbortController();
      let commits = 0;
      store.beforeCommit = () => void (commits++ === after && end.abort());
      const request = {
        mode: isPruning ? "replace" as const : "add" as const,
        text: text(names(400)),
      };
      const reports: string[] = [];
      const report = (done: number, of: number) => void reports.push(`${done}/${of}`);
      const applied = await intents.apply(request, { signal: end.signal, report }).catch((error) =>
        error
      );
      assertEquals(brokenPromises(cache.documents), []);
      assertEquals(store.database.keysBelow("requests/"), []);
      const history = await new Intents(cache, clock).history();
      if (applied instanceof Fault) {
        assert(/^apply interrupted: /.test(applied.message), applied.message);
        if (history[0]?.revision === 2) assertEquals(history[0].state, "interrupted");
        const changed = history.find(({ revision }) => revision === 2)?.changes.length ?? 0;
        const [, count = "0"] = /: (\d+) of \d+ objects/.exec(applied.message) ?? [];
        assertEquals(Number(count), changed);
      } else assertEquals(history[0]?.state, "done");
      const back = await StoreCache.load(store.another());
      await new IntentStore(back, clock).apply({ mode: "rollback", text: "", to: 1, force: true });
      assertEquals(endpoints(store), before);
      await new IntentStore(await StoreCache.load(store), clock).apply(request);
      assertEquals(endpoints(store).length, isPruning ? 400 : 403);
    }),
    runs(30),
  );
});

Deno.test("an apply that is interrupted before its first commit has changed nothing", async () => {
  const store = new MemoryStore();
  const intents = new IntentStore(await StoreCache.load(store), clock);
  const run = () =>
    intents.apply({ mode: "add", text: text(names(2)) }, { signal: AbortSignal.abort() });
  await assertRejects(run, Fault, "apply interrupted: nothing is changed");
  assertEquals(store.database.keysBelow(""), []);
});
