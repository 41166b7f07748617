// Child of the SQLite tests: writes to the store at PATH until it is killed, or increments a number.
//   sqlite_writer.ts PATH commits SEED    prints "<n>" when commit n is answered
//   sqlite_writer.ts PATH increments N    prints "done"

import { openSqlite } from "../../lib/store/sqlite/sqlite.ts";
import type { Store } from "../../lib/store/store.ts";
import { increment, range } from "./store_contract.ts";

/** Keys that commit `n` writes, all with the value `n`. */
export function keysOf(n: number): string[] {
  return range(1 + n % 9).map((at) => `/k/${n}/${at}`);
}

/** Writes without end, some commits at once so that they share a transaction. */
async function writeForEver(store: Store, first: number): Promise<never> {
  for (let n = first;; n += 7) {
    await Promise.all(range(7).map((at) => writeOne(store, n + at)));
  }
}

async function writeOne(store: Store, n: number): Promise<void> {
  // Now and then big, so that a commit takes more than one page of the file.
  const pad = n % 11 === 0 ? "x".repeat(9_000) : "";
  const writes = keysOf(n).map((key) => ({ key, value: { n, pad } }));
  const result = await store.commit([], [...writes, { key: "/last", value: n }]);
  if (!result.done) throw new Error(`commit ${n} was refused`);
  Deno.stdout.writeSync(new TextEncoder().encode(`${n}\n`));
}

if (import.meta.main) {
  const [path = "", what, number] = Deno.args;
  const store = await openSqlite(path, { limitMs: 20_000 });
  if (what === "commits") await writeForEver(store, Number(number));
  await increment(store, Number(number));
  await store.close();
  Deno.stdout.writeSync(new TextEncoder().encode("done\n"));
}
