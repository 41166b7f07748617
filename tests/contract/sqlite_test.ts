// What is promised of the SQLite driver alone: its file, its locks, its one transaction for many.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { openStore } from "../../lib/store/open_store.ts";
import { openSqlite } from "../../lib/store/sqlite/sqlite.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { type SqliteBench, startSqlite } from "./sqlite_bench.ts";
import { put, range } from "./store_contract.ts";
import { hangSignal, scaled } from "../lab/limits.ts";

const LIMIT_MS = scaled(900);

Deno.test("the store's files are private whatever the umask", async () => {
  const umask = Deno.umask(0);
  try {
    await using bench = await startSqlite();
    await put(bench.store, "/a", 1);
    assertEquals(await modesIn(bench), {
      "store.db": "600",
      "store.db-shm": "600",
      "store.db-wal": "600",
    });
  } finally {
    Deno.umask(umask);
  }
});

Deno.test("files that others may read are made private on opening", async () => {
  await using bench = await startSqlite();
  await put(bench.store, "/a", 1);
  for (const name of ["", "-wal", "-shm"]) await Deno.chmod(bench.path + name, 0o644);
  assertEquals((await (await bench.another()).get("/a"))?.value, 1);
  assertEquals(new Set(Object.values(await modesIn(bench))), new Set(["600"]));
});

Deno.test("a folder or file that others may write to is refused", async () => {
  await using bench = await startSqlite();
  for (const path of [bench.folder, bench.path, `${bench.path}-wal`]) {
    const { mode } = await Deno.stat(path);
    for (const open of [0o020, 0o002]) {
      await Deno.chmod(path, mode! | open);
      await refuses("unavailable", "other users may write", () => openSqlite(bench.path));
      await Deno.chmod(path, mode!);
    }
  }
  await bench.another();
});

Deno.test("what is not a regular file is refused", async () => {
  await using bench = await startSqlite();
  await Deno.symlink(bench.path, `${bench.folder}/link.db`);
  await refuses("unavailable", "regular", () => openSqlite(`${bench.folder}/link.db`));
  await Deno.mkdir(`${bench.folder}/folder.db`);
  await refuses("unavailable", "regular", () => openSqlite(`${bench.folder}/folder.db`));
  await refuses("usage", "names no file", () => openSqlite(`${bench.folder}/`));
});

Deno.test("a folder that is missing, or a file in its place, is named in the fault", async () => {
  await using bench = await startSqlite();
  await refuses("unavailable", "folder", () => openSqlite(`${bench.folder}/none/store.db`));
  await refuses("unavailable", bench.path, () => openSqlite(`${bench.path}/store.db`));
});

Deno.test("a store of a newer release is refused and not touched", async () => {
  await using bench = await startSqlite();
  await put(bench.store, "/a", 1);
  await bench.store.close();
  alter(bench.path, "PRAGMA user_version = 2");
  await refusesUntouched(bench.path, "schema 2");
});

Deno.test("another program's database is refused and not touched", async () => {
  await using bench = await startSqlite();
  const path = `${bench.folder}/other.db`;
  alter(path, "CREATE TABLE songs (name TEXT)");
  await Deno.chmod(path, 0o600);
  await refusesUntouched(path, "another program's");
});

Deno.test("what is not a database is refused and not touched", async () => {
  await using bench = await startSqlite();
  for (
    const [name, text] of [["text.db", "no database\n".repeat(999)], ["short.db", "x"]] as const
  ) {
    const path = `${bench.folder}/${name}`;
    await Deno.writeTextFile(path, text, { mode: 0o600 });
    await refusesUntouched(path, "not a SQLite database");
  }
});

Deno.test("a damaged store is refused with a way out", async () => {
  await using bench = await startSqlite();
  for (const n of range(200)) await put(bench.store, `/a/${n}`, "x".repeat(400));
  await bench.store.close();
  const whole = await Deno.readFile(bench.path);
  for (const at of [1, 2, 5, 9]) {
    const damaged = whole.slice();
    damaged.fill(0xa5, at * 4096, at * 4096 + 1024);
    await Deno.writeFile(bench.path, damaged);
    await refuses("unavailable", "damaged", () => openSqlite(bench.path));
  }
  await Deno.writeFile(bench.path, whole.slice(0, 3 * 4096));
  await refuses("unavailable", "damaged", () => openSqlite(bench.path));
  await Deno.writeFile(bench.path, whole);
  assertEquals((await (await bench.another()).list("/a/")).entries.length, 200);
});

Deno.test("an empty file, left by a crash at the first start, becomes a store", async () => {
  await using bench = await startSqlite();
  const path = `${bench.folder}/empty.db`;
  await Deno.writeTextFile(path, "", { mode: 0o600 });
  const store = await openSqlite(path);
  assertEquals(await put(store, "/a", 1), 1);
  await store.close();
});

Deno.test("a new store opened by twenty at once is one store", async () => {
  await using bench = await startSqlite();
  const path = `${bench.folder}/new.db`;
  const stores = await Promise.all(range(20).map(() => openSqlite(path)));
  await Promise.all(stores.map((store, n) => put(store, `/a/${n}`, n)));
  assertEquals((await stores[0]!.list("/a/")).entries.length, 20);
  await Promise.all(stores.map((store) => store.close()));
});

Deno.test("commits asked at once share one transaction", async () => {
  await using bench = await startSqlite();
  const size = async () => (await Deno.stat(`${bench.path}-wal`)).size;
  const before = await size();
  const revisions = await Promise.all(range(64).map((n) => put(bench.store, `/a/${n}`, n)));
  assertEquals(revisions, range(64).map((n) => n + 1));
  // Each transaction appends every page that it changed: three at least.
  const pages = (await size() - before) / 4096;
  assert(pages < 64, `${pages} pages were written`);
});

Deno.test("a lock that another process keeps is waited for, then a timeout; reads go on", async () => {
  await using bench = await startSqlite({ limitMs: LIMIT_MS });
  await put(bench.store, "/a", 1);
  const other = new DatabaseSync(bench.path);
  other.exec("BEGIN IMMEDIATE");
  let turns = 0;
  const counting = setInterval(() => turns++, 5);
  const commits = range(3).map((n) =>
    refuses("timeout", "locked", () => put(bench.store, "/a", n))
  );
  assertEquals((await bench.store.get("/a"))?.value, 1);
  await Promise.all(commits);
  clearInterval(counting);
  assert(turns >= 8, `the event loop turned only ${turns} times`);
  const waiting = put(bench.store, "/a", 2);
  setTimeout(() => other.exec("ROLLBACK"), LIMIT_MS / 3);
  assertEquals(await waiting, 2);
  other.close();
});

Deno.test("opening waits for another process's lock, then is a timeout", async () => {
  await using bench = await startSqlite();
  const path = `${bench.folder}/new.db`;
  await Deno.writeTextFile(path, "", { mode: 0o600 });
  const other = new DatabaseSync(path);
  other.exec("BEGIN EXCLUSIVE");
  await refuses("timeout", "locked", () => openSqlite(path, { limitMs: LIMIT_MS }));
  const opening = openSqlite(path);
  setTimeout(() => other.exec("ROLLBACK"), LIMIT_MS / 3);
  await (await opening).close();
  other.close();
});

Deno.test("the store works with leave to read, to write and to ask for the user, no more", async () => {
  await using bench = await startSqlite();
  await bench.store.close();
  const words = [bench.path, "increments", "3"];
  const writer = new URL("sqlite_writer.ts", import.meta.url).pathname;
  const flags = ["--no-lock", "--no-prompt", "--allow-read", "--allow-write", "--allow-sys=uid"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, writer, ...words],
    signal: hangSignal(20_000),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assertEquals((await (await bench.another()).get("/n"))?.value, 3);
});

Deno.test("close() waits for the commits that were asked, also behind a lock", async () => {
  await using bench = await startSqlite();
  const other = new DatabaseSync(bench.path);
  other.exec("BEGIN IMMEDIATE");
  const commits = range(100).map((n) => put(bench.store, `/a/${n}`, n));
  const closing = bench.store.close();
  await refuses("unavailable", "closed", () => put(bench.store, "/late", 1));
  other.exec("ROLLBACK");
  other.close();
  await closing;
  assertEquals((await Promise.all(commits)).length, 100);
  assertEquals((await (await bench.another()).list("/a/")).entries.length, 100);
});

Deno.test("a file that is removed or replaced under its user is not written on", async () => {
  for (const isReplaced of [false, true]) {
    await using bench = await startSqlite();
    await put(bench.store, "/a", 1);
    const waiting = Array.fromAsync(bench.store.watch("/a", 1, new AbortController().signal));
    await Deno.rename(bench.path, `${bench.path}.old`);
    if (isReplaced) await Deno.writeTextFile(bench.path, "", { mode: 0o600 });
    await refuses("unavailable", "removed or replaced", () => put(bench.store, "/a", 2));
    await refuses("unavailable", "removed or replaced", () => bench.store.get("/a"));
    await refuses("unavailable", "removed or replaced", () => waiting);
  }
});

Deno.test("an open store without a watch keeps no process alive", async () => {
  await using bench = await startSqlite();
  const module = new URL("../../lib/store/sqlite/sqlite.ts", import.meta.url).href;
  const script = `const { openSqlite } = await import("${module}");
    const store = await openSqlite(${JSON.stringify(bench.path)});
    for await (const _ of store.watch("", 0, AbortSignal.timeout(50)));
    console.log((await store.list("")).revision);`;
  await put(bench.store, "/a", 1);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    signal: hangSignal(10_000),
  }).output();
  assert(success);
  assertEquals(new TextDecoder().decode(stdout).trim(), "1");
});

Deno.test("the log keeps as many revisions as wanted and does not grow", async () => {
  await using bench = await startSqlite({ keepRevisions: 50 });
  const write = async () => {
    for (const n of range(100)) await put(bench.store, "/a", `${n} ${"x".repeat(2_000)}`);
  };
  const grow = async () => {
    await write();
    const db = new DatabaseSync(bench.path);
    const row = db.prepare("SELECT count(*) AS n FROM changes").get();
    const pages = db.prepare("PRAGMA page_count").get();
    db.close();
    return { rows: Number(row?.n), pages: Number(pages?.page_count) };
  };
  const first = await grow();
  assertEquals(first.rows, 50);
  for (const _ of range(3)) assert((await grow()).pages <= first.pages + 4);
});

Deno.test("openStore() opens a SQLite file by its URL", async () => {
  await using bench = await startSqlite();
  await put(bench.store, "/a", 1);
  for (const url of [`sqlite:${bench.path}`, `sqlite://${bench.path}`]) {
    const store = await openStore(url);
    assertEquals((await store.get("/a"))?.value, 1);
    await store.close();
  }
});

async function modesIn({ folder }: SqliteBench): Promise<Record<string, string>> {
  const modes: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    modes[name] = ((await Deno.stat(`${folder}/${name}`)).mode! & 0o777).toString(8);
  }
  return Object.fromEntries(Object.entries(modes).sort());
}

function alter(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

async function refusesUntouched(path: string, says: string): Promise<void> {
  const before = await Deno.readFile(path);
  await refuses("unavailable", says, () => openSqlite(path));
  assertEquals(await Deno.readFile(path), before);
  for (const file of [`${path}-wal`, `${path}-shm`]) {
    await assertRejects(() => Deno.lstat(file), Deno.errors.NotFound);
  }
}

async function refuses(code: FaultCode, says: string, call: () => Promise<unknown>): Promise<void> {
  const fault = await assertRejects(call, Fault, says);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
  assert(fault.fix !== undefined || fault.message.endsWith("is closed"), fault.message);
}

Deno.test("a list in pages is of one moment, and other calls are answered between its pages", async () => {
  await using bench = await startSqlite();
  const keys = Array.from({ length: 2_500 }, (_, n) => `/k${String(n).padStart(4, "0")}`);
  for (let at = 0; at < keys.length; at += 90) {
    await bench.store.commit([], keys.slice(at, at + 90).map((key) => ({ key, value: 1 })));
  }
  const before = await bench.store.list("/k");
  const pages: number[] = [];
  const writes: Promise<unknown>[] = [];
  const listed = await bench.store.list("/k", (page) => {
    pages.push(page.length);
    writes.push(put(bench.store, "/k2400", 2), put(bench.store, `/k9${pages.length}`, 2));
  });
  await Promise.all(writes);
  assertEquals(pages, [1_000, 1_000, 500]);
  assertEquals(listed, before);
  assertEquals((await bench.store.list("/k", () => {})).entries.length, 2_503);
});
