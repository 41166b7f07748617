import { assertEquals } from "@std/assert";
import { VersionedMap } from "../../../../lib/agent/store/versioned_map.ts";

const write = (key: string, value: number | undefined, revision: number) => ({
  key,
  value,
  revision,
});

Deno.test("merge() takes over newer writes only, in whatever order they arrive", () => {
  const map = new VersionedMap();
  const writes = [write("a", 2, 2), write("a", 1, 1), write("a", 2, 2), write("a", 3, 3)];
  assertEquals(writes.map((one) => map.merge(one)), [true, false, false, true]);
  assertEquals(map.documents.get("a"), { value: 3, revision: 3 });
});

Deno.test("merge() does not restore a deleted key by an older write, until everything before is known", () => {
  const map = new VersionedMap();
  map.merge(write("a", undefined, 5));
  assertEquals([map.merge(write("a", 4, 4)), map.documents.has("a")], [false, false]);
  map.settle(5);
  assertEquals([map.merge(write("a", 6, 6)), map.documents.get("a")?.value], [true, 6]);
});

Deno.test("onChange is called with the key of each change, also of deletions", () => {
  const map = new VersionedMap();
  const keys: string[] = [];
  map.onChange = (key) => keys.push(key);
  for (const one of [write("a", 1, 1), write("a", 1, 1), write("a", undefined, 2)]) map.merge(one);
  assertEquals(keys, ["a", "a"]);
});

Deno.test("replaceAll() removes what the list lacks, but not what was written after it", () => {
  const map = new VersionedMap();
  for (const one of [write("a", 1, 1), write("b", 2, 2), write("c", 9, 9)]) map.merge(one);
  map.replaceAll([{ key: "a", value: 1, revision: 1 }], 5);
  assertEquals([[...map.documents.keys()], map.revision], [["a", "c"], 5]);
});

Deno.test("reaches() waits for a revision, and for no longer than its limit", async () => {
  const map = new VersionedMap();
  map.settle(3);
  assertEquals(await map.reaches(3, 60_000), true);
  const waiting = map.reaches(4, 60_000);
  map.settle(4);
  assertEquals(await waiting, true);
  assertEquals(await map.reaches(5, 1), false);
});
