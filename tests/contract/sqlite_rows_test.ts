// When what was committed to a SQLite store is on the disk: seen by the calls that this process makes.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openSqlite } from "../../lib/store/sqlite/sqlite.ts";
import { openDatabase } from "../../lib/store/sqlite/sqlite_file.ts";
import { type PreparedCommit, Rows } from "../../lib/store/sqlite/sqlite_rows.ts";
import { Fault } from "../../lib/util/errors.ts";
import { patient } from "../lab/limits.ts";

/** What SQLite calls the modes: 1 does not wait for the disk at a commit, 2 does. */
const [NORMAL, FULL] = [1, 2];

Deno.test("only the first commit waits for the disk inside SQLite: it makes the log", async () => {
  const dir = await Deno.makeTempDir();
  const db = openDatabase(`${dir}/store.db`);
  const mode = () => db.prepare("PRAGMA synchronous").get()?.synchronous;
  const rows = new Rows(db, 100);
  const commit: PreparedCommit = { checks: [], writes: [{ key: "k", text: "1" }] };
  assertEquals(mode(), FULL);
  for (let n = 0; n < 3; n++) {
    rows.commit([commit]);
    assertEquals(mode(), NORMAL);
  }
  db.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a commit is answered when the log is on the disk, a provisional one before; persist() catches up", async () => {
  const dir = await Deno.makeTempDir();
  const disk = new FakeDisk();
  const original = Deno.open;
  Deno.open = (path) => {
    assertEquals(path, `${dir}/store.db-wal`);
    disk.opened++;
    return Promise.resolve(disk as unknown as Deno.FsFile);
  };
  try {
    const store = await openSqlite(`${dir}/store.db`, { limitMs: patient(5_000) });
    await store.persist(); // nothing was committed
    const put = (n: number, isProvisional: boolean) =>
      store.commit([], [{ key: `k${n}`, value: n }], { isProvisional });
    assert((await put(1, true)).done);
    assertEquals(disk.opened, 0);
    let answered = 0;
    const count = () => answered++;
    const waiting = [2, 3, 4].map((n) => put(n, false).then(count));
    waiting.push(store.persist().then(count));
    // Others read it, and more is committed meanwhile.
    assert((await put(5, true)).done);
    assertEquals((await store.get("k4"))?.value, 4);
    waiting.push(put(6, false).then(count));
    await new Promise((done) => setTimeout(done, 20));
    assertEquals([answered, disk.syncs], [0, 1]);
    disk.ends.resolve();
    await Promise.all(waiting);
    assertEquals([answered, disk.syncs <= 3], [5, true]);
    disk.ends = Promise.withResolvers();
    const refused = assertRejects(() => put(7, false), Fault, "the disk is full");
    disk.ends.promise.catch(() => {});
    disk.ends.reject(Object.assign(new Error("no space"), { code: "ENOSPC" }));
    await refused;
    await store.close();
    assertEquals([disk.opened, disk.isClosed], [1, true]);
  } finally {
    Deno.open = original;
    await Deno.remove(dir, { recursive: true });
  }
});

/** The log's file; its syncs end when the test says so. */
class FakeDisk {
  opened = 0;
  syncs = 0;
  ends = Promise.withResolvers<void>();
  isClosed = false;

  syncData(): Promise<void> {
    this.syncs++;
    return this.ends.promise;
  }

  close(): void {
    this.isClosed = true;
  }
}
