import { assertEquals } from "@std/assert";
import { Snapshot } from "../../../../lib/agent/store/snapshot.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";

/** A state folder in memory; writes fail while it is full. */
function stateFolder(files = new Map<string, string>()) {
  const folder = { files, isFull: false, writes: 0 };
  const log = new MemoryLog();
  const snapshot = new Snapshot("/state", log, {
    read: (path) => {
      const text = files.get(path);
      return text === undefined ? Promise.reject(new Error("not found")) : Promise.resolve(text);
    },
    replace: (path, text) => {
      if (folder.isFull) return Promise.reject(new Error("disk is full"));
      folder.writes++;
      files.set(path, text);
      return Promise.resolve();
    },
  });
  return { folder, log, snapshot };
}

const documents = new Map([["hosts/h1", { value: { name: "h1" }, revision: 7 }]]);

Deno.test("load() returns what save() saved", async () => {
  const { folder, snapshot } = stateFolder();
  await snapshot.save({ documents, networks: ["t/n"] }, 7);
  const next = stateFolder(folder.files);
  assertEquals(await next.snapshot.load(), { documents, networks: ["t/n"] });
});

Deno.test("load() takes what says nothing of networks for the whole store, as version 0.1.0 saved it", async () => {
  const { folder, snapshot } = stateFolder();
  await snapshot.save({ documents }, 7);
  assertEquals(folder.files.get("/state/known.json")?.includes("networks"), false);
  assertEquals(await snapshot.load(), { documents });
});

Deno.test("load() returns undefined without a file, and for a damaged one", async () => {
  const { folder, snapshot } = stateFolder();
  assertEquals(await snapshot.load(), undefined);
  for (const text of ["", "{", "null", "{}", '{"documents":null}']) {
    folder.files.set("/state/known.json", text);
    assertEquals(await snapshot.load(), undefined, text);
  }
});

Deno.test("save() writes a revision once", async () => {
  const { folder, snapshot } = stateFolder();
  for (const revision of [7, 7, 8, 8]) await snapshot.save({ documents }, revision);
  assertEquals(folder.writes, 2);
});

Deno.test("save() warns once while the folder cannot be written, and saves when it can", async () => {
  const { folder, log, snapshot } = stateFolder();
  folder.isFull = true;
  for (const revision of [7, 8]) await snapshot.save({ documents }, revision);
  assertEquals(log.lines.length, 1);
  assertEquals(log.lines[0]?.includes("disk is full"), true);
  folder.isFull = false;
  await snapshot.save({ documents }, 8);
  folder.isFull = true;
  await snapshot.save({ documents }, 9);
  assertEquals([folder.writes, log.lines.length], [1, 2]);
});
