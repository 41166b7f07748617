// Files that launchers and killed agents leave in the door's folder.

import { assertEquals } from "@std/assert";
import { DoorFolder } from "../../lib/agent/server/door_folder.ts";

const ANSWERED = "7000000001.out";
const WAITS = ["7000000002", "7000000002.out"];

Deno.test("the long answer of a launcher that ended long ago is removed, and that of one that waits stays", async () => {
  const dir = await Deno.makeTempDir();
  try {
    let nowMs = 0;
    const folder = new DoorFolder(dir, { debug: () => {} }, () => nowMs);
    for (const name of [ANSWERED, ...WAITS]) await Deno.writeTextFile(`${dir}/${name}`, "{}");
    const left = async (atMs: number) => {
      nowMs = atMs;
      await folder.removeLeftBehind(0);
      return (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort();
    };
    // Its launcher may be about to print it.
    assertEquals(await left(0), [ANSWERED, ...WAITS]);
    assertEquals(await left(19_000), [ANSWERED, ...WAITS]);
    assertEquals(await left(20_000), WAITS);
    await Deno.remove(`${dir}/${WAITS[0]}`);
    assertEquals(await left(40_000), [WAITS[1]]);
    assertEquals(await left(60_000), []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
