// Notes of teardowns that were asked for while the agent did not answer: files beside its socket, or in its state folder.
// Needs files, and nothing else of this machine.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TeardownNotes } from "../../lib/agent/server/teardown_notes.ts";
import type { PodRequest } from "../../lib/agent/api.ts";
import { Fault } from "../../lib/util/errors.ts";
import { MemoryLog } from "../memory/memory_log.ts";

const [ONE, OTHER] = ["a".repeat(64), "b".repeat(12)];

const FOLDERS = ["agent.sock.notes", "teardown"];

/** Makes a folder for socket and state, with these notes in its `folder`. */
async function start(notes: readonly string[], folder = FOLDERS[0]) {
  const stateDir = await Deno.makeTempDir({ prefix: "k8contivnet-notes-" });
  const dir = `${stateDir}/${folder}`;
  if (notes.length > 0) await Deno.mkdir(dir);
  for (const note of notes) await Deno.writeTextFile(`${dir}/${note}`, "");
  const log = new MemoryLog();
  const [tornDown, failing]: [PodRequest[], Set<string>] = [[], new Set()];
  const handler = new TeardownNotes({
    ...{ socket: `${stateDir}/agent.sock`, stateDir, log },
    tearDown: (pod) => {
      if (failing.has(pod.sandbox)) return Promise.reject(new Fault("timeout", "no answer"));
      return Promise.resolve(void tornDown.push(pod));
    },
  });
  return {
    ...{ log, tornDown, failing, dir },
    handle: () => handler.handle(),
    left: async () => (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort(),
    [Symbol.asyncDispose]: () => Deno.remove(stateDir, { recursive: true }),
  };
}

for (const folder of FOLDERS) {
  Deno.test(`each note in ${folder} is torn down by its sandbox alone, and goes`, async () => {
    await using notes = await start([ONE, OTHER], folder);
    await notes.handle();
    const pods = notes.tornDown.toSorted((a, b) => a.sandbox < b.sandbox ? -1 : 1);
    assertEquals(pods, [ONE, OTHER].map((sandbox) => ({ namespace: "", name: "", sandbox })));
    assertEquals([await notes.left(), notes.log.lines], [[], []]);
  });
}

Deno.test("a note whose teardown fails stays for the next time, stops no other, and is logged", async () => {
  await using notes = await start([ONE, OTHER]);
  notes.failing.add(ONE);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[ONE], 1]);
  assertEquals(notes.log.lines.length, 1);
  assertStringIncludes(notes.log.lines[0]!, `no answer sandbox=${ONE}`);
  notes.failing.clear();
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[], 2]);
});

Deno.test("files whose names are not sandbox ids are left alone", async () => {
  const others = ["..keep", "A".repeat(64), "a".repeat(11), `${ONE}.new`];
  await using notes = await start(others);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown], [others.sort(), []]);
});

Deno.test("a missing folder is no error; what is in its place is logged once, and keeps no agent from its work", async () => {
  await using notes = await start([]);
  await notes.handle();
  assertEquals([notes.tornDown, notes.log.lines], [[], []]);
  await Deno.writeTextFile(notes.dir, "");
  await notes.handle();
  await notes.handle();
  assertEquals(notes.log.lines.length, 1);
  assertMatch(
    notes.log.lines[0]!,
    /teardown notes not read: \S+ is not a folder of this user; remove it/,
  );
});

Deno.test("notes in a folder of another user, or behind a link, are not handled", async () => {
  await using notes = await start([ONE]);
  await Deno.rename(notes.dir, `${notes.dir}.real`);
  await Deno.symlink(`${notes.dir}.real`, notes.dir);
  await notes.handle();
  await Deno.remove(notes.dir);
  await Deno.rename(`${notes.dir}.real`, notes.dir);
  await Deno.chown(notes.dir, 61234, 61234);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown], [[ONE], []]);
  await Deno.chown(notes.dir, Deno.uid(), Deno.gid());
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[], 1]);
});
