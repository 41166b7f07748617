// The SQLite store on disks that are full, read-only or another user's.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openSqlite } from "../../lib/store/sqlite/sqlite.ts";
import type { Store } from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { run } from "../lab/run.ts";

const NOBODY = 65_534;

Deno.test("a full disk refuses commits, keeps what was answered, and works again when freed", async () => {
  await using disk = await mountDisk("2m");
  const store = await openSqlite(`${disk.path}/store.db`);
  const answered = await fill(store);
  assert(answered > 5);
  await faults("full", () => write(store, "more", 40_000));
  assertEquals((await store.list("/f/")).entries.length, answered);
  await store.close();
  await run("mount", ["-o", "remount,size=8m", disk.path]);
  const again = await openSqlite(`${disk.path}/store.db`);
  assertEquals((await again.list("/f/")).entries.length, answered);
  await write(again, "after", 40_000);
  await again.close();
});

Deno.test("a store cannot be made on a full disk, and nothing half-made is in the way later", async () => {
  await using disk = await mountDisk("64k");
  await Deno.writeFile(`${disk.path}/ballast`, new Uint8Array(60_000));
  await faults("store.db", () => openSqlite(`${disk.path}/store.db`));
  await run("mount", ["-o", "remount,size=8m", disk.path]);
  const store = await openSqlite(`${disk.path}/store.db`);
  await write(store, "a", 10);
  await store.close();
});

Deno.test("a disk that is read-only is named, with and without a store on it", async () => {
  await using disk = await mountDisk("2m");
  await run("mount", ["-o", "remount,ro", disk.path]);
  await faults("read-only", () => openSqlite(`${disk.path}/store.db`));
  await run("mount", ["-o", "remount,rw", disk.path]);
  const store = await openSqlite(`${disk.path}/store.db`);
  await write(store, "a", 10);
  await store.close();
  await run("mount", ["-o", "remount,ro", disk.path]);
  await faults("writable", () => openSqlite(`${disk.path}/store.db`));
});

Deno.test("a folder or file of another user is refused", async () => {
  await using disk = await mountDisk("2m");
  const path = `${disk.path}/store.db`;
  await (await openSqlite(path)).close();
  await Deno.chown(path, NOBODY, NOBODY);
  await faults("user 65534 owns it", () => openSqlite(path));
  await Deno.chown(path, 0, 0);
  await Deno.chown(disk.path, NOBODY, NOBODY);
  await faults("user 65534 owns it", () => openSqlite(path));
});

Deno.test("a user without rights gets a sentence, and leaves the store as it was", async () => {
  await using disk = await mountDisk("2m");
  const path = `${disk.path}/store.db`;
  await (await openSqlite(path)).close();
  await Deno.chmod(disk.path, 0o755);
  const module = new URL("../../lib/store/sqlite/sqlite.ts", import.meta.url).href;
  const script = `const { openSqlite } = await import("${module}");
    await openSqlite("${path}").then(() => console.log("open"), (e) => console.log(e.message));`;
  const words = [`--reuid=${NOBODY}`, "--clear-groups", "env", "DENO_DIR=/run/nobody"];
  await Deno.mkdir("/run/nobody");
  await Deno.chown("/run/nobody", NOBODY, NOBODY);
  const said = await run("setpriv", [...words, Deno.execPath(), "eval", "--no-check", script], {
    limitMs: 30_000,
  });
  assertEquals(
    said,
    `store folder ${disk.path} refused: user 0 owns it, this is user 65534; ` +
      "chown it to the user that runs k8contivnet",
  );
});

// Writes until the disk is full; returns how many commits were answered.
async function fill(store: Store): Promise<number> {
  for (let n = 0;; n++) {
    try {
      await write(store, String(n), 40_000);
    } catch (error) {
      assert(error instanceof Fault && error.message.includes("full"), String(error));
      return n;
    }
  }
}

async function write(store: Store, name: string, size: number): Promise<void> {
  const result = await store.commit([], [
    { key: `/f/${name}`, value: "x".repeat(size) },
    { key: `/count`, value: name },
  ]);
  assert(result.done);
}

async function mountDisk(size: string): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "k8contivnet-disk-" });
  await run("mount", ["-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path]);
  const dispose = async () => {
    await run("umount", ["-l", path]);
    await Deno.remove(path);
  };
  return { path, [Symbol.asyncDispose]: dispose };
}

async function faults(says: string, call: () => Promise<unknown>): Promise<void> {
  const fault = await assertRejects(call, Fault, says);
  assertEquals(fault.code, "unavailable", fault.message);
  assert(fault.message.length <= 200, fault.message);
}
