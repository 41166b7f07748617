// When the log of a SQLite store is written to the disk: before a commit is answered, unless that is provisional.

import { assertEquals } from "@std/assert";
import { openDatabase } from "../../lib/store/sqlite/sqlite_file.ts";
import { type PreparedCommit, Rows } from "../../lib/store/sqlite/sqlite_rows.ts";

/** What SQLite calls the modes: 1 does not wait for the disk at a commit, 2 does. */
const [NORMAL, FULL] = [1, 2];

Deno.test("only a provisional commit does not wait for the disk", async () => {
  const dir = await Deno.makeTempDir();
  const db = openDatabase(`${dir}/store.db`);
  const mode = () => db.prepare("PRAGMA synchronous").get()?.synchronous;
  const rows = new Rows(db, 100);
  const commit: PreparedCommit = { checks: [], writes: [{ key: "k", text: "1" }] };
  assertEquals(mode(), FULL);
  for (const isProvisional of [true, true, false, true, undefined, false]) {
    rows.commit([commit], { isProvisional });
    assertEquals(mode(), isProvisional ? NORMAL : FULL);
  }
  rows.commit([commit], { isProvisional: true });
  rows.commit([commit]);
  assertEquals(mode(), FULL);
  db.close();
  await Deno.remove(dir, { recursive: true });
});
