// `store backup`: what it leaves of an older backup of that name.

import { assertEquals, assertRejects } from "@std/assert";
import { backUp } from "../../lib/cli/store_backup.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { fakeShell } from "../unit/cli/fake_shell.ts";

/** Makes a store file with one record. */
async function makeStore(path: string, value: string): Promise<void> {
  const store = await openStore(`sqlite:${path}`);
  await store.commit([], [{ key: "hosts/h1", value }]);
  await store.close();
}

async function recordsOf(path: string): Promise<unknown[]> {
  const store = await openStore(`sqlite:${path}`);
  const { entries } = await store.list("");
  await store.close();
  return entries.map(({ value }) => value);
}

Deno.test("a backup that replaces another has none of the old one's records", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await makeStore(`${dir}/live.db`, "new");
  // What a killed process leaves: a log that is not in the file yet.
  const old = await openStore(`sqlite:${dir}/old.db`);
  await old.commit([], [{ key: "hosts/h1", value: "old" }]);
  for (const suffix of ["", "-wal", "-shm"]) {
    await Deno.copyFile(`${dir}/old.db${suffix}`, `${dir}/day.db${suffix}`);
  }
  const backup = async (name: string) =>
    await backUp(fakeShell([], {}, { force: true }), `sqlite:${dir}/live.db`, `${dir}/${name}`);
  await backup("day.db");
  assertEquals(await recordsOf(`${dir}/day.db`), ["new"]);
  await assertRejects(() => backup("old.db"), Fault, "another process may have it open");
  await old.close();
  assertEquals(await recordsOf(`${dir}/old.db`), ["old"]);
  const names = (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort();
  assertEquals(names, ["day.db", "live.db", "old.db"]);
});
