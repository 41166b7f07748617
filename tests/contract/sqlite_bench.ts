// A SQLite store in a private folder of its own, for tests.

import { openSqlite, type SqliteOptions } from "../../lib/store/sqlite/sqlite.ts";
import type { Store } from "../../lib/store/store.ts";
import { put, range, type StoreBench } from "./store_contract.ts";

/** A bench that also has the file's path. */
export interface SqliteBench extends StoreBench {
  readonly folder: string;
  readonly path: string;
}

// Few, so that compaction is soon reached; more than the other tests of the contract commit.
const KEEP = 300;

/** Makes an empty SQLite store in a new folder with mode 0700. */
export async function startSqlite(options: SqliteOptions = {}): Promise<SqliteBench> {
  const folder = await Deno.makeTempDir({ prefix: "k8contivnet-store-" });
  const path = `${folder}/store.db`;
  const opened: Store[] = [];
  const another = async () => {
    const store = await openSqlite(path, { keepRevisions: KEEP, ...options });
    opened.push(store);
    return store;
  };
  const store = await another();
  const compact = async () => {
    for (const n of range(KEEP)) await put(store, "/compact", n);
  };
  const dispose = async () => {
    await Promise.all(opened.map((one) => one.close()));
    await Deno.remove(folder, { recursive: true });
  };
  return { folder, path, store, another, compact, [Symbol.asyncDispose]: dispose };
}
