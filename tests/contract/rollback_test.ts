// Going back over random histories on the real stores.

import fc from "fast-check";
import type { Store } from "../../lib/store/store.ts";
import { anyHistory, checkRollback } from "../unit/agent/store/rollback_property.ts";
import { startEtcdBench } from "./etcd_bench.ts";
import { startSqlite } from "./sqlite_bench.ts";
import type { StoreBench } from "./store_contract.ts";

const HISTORIES = 50;

/** Deletes all documents. */
async function clear(store: Store): Promise<void> {
  const { entries } = await store.list("");
  const deletions = entries.map(({ key }) => ({ key, value: undefined }));
  while (deletions.length > 0) await store.commit([], deletions.splice(0, 90));
}

const STORES: Readonly<Record<string, () => Promise<StoreBench>>> = {
  sqlite: startSqlite,
  etcd: startEtcdBench,
};

for (const [name, start] of Object.entries(STORES)) {
  Deno.test(`${name}: rollback gives back exactly the earlier intent, over ${HISTORIES} random histories`, async () => {
    await using bench = await start();
    const one = fc.asyncProperty(anyHistory, async (history) => {
      await clear(bench.store);
      await checkRollback(bench.store, history);
    });
    await fc.assert(one, { numRuns: HISTORIES });
  });
}
