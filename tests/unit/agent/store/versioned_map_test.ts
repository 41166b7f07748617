import { assertEquals } from "@std/assert";
import { VersionedMap } from "../../../../lib/agent/store/versioned_map.ts";
import { IndexedDocuments } from "../../../../lib/intent/indexed_documents.ts";

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

/** Makes two parts that share their documents, in which the first letter of a key is left out: the same may be in both. */
function twoParts() {
  const documents = new IndexedDocuments();
  const parts: VersionedMap[] = [];
  const partOf = (at: number) =>
    new VersionedMap({
      documents,
      nameOf: (key) => key.slice(1),
      isInOther: (key) => parts[1 - at]!.has(key),
    });
  parts.push(partOf(0), partOf(1));
  return { documents, one: parts[0]!, two: parts[1]! };
}

Deno.test("a document that has moved to another part stays there, whichever part reports first", () => {
  for (const isDeletedFirst of [false, true]) {
    const { documents, one, two } = twoParts();
    one.merge(write("1a", 1, 1));
    if (isDeletedFirst) one.merge(write("1a", undefined, 5));
    two.merge(write("2a", 5, 5));
    one.merge(write("1a", undefined, 5));
    assertEquals([one.has("a"), two.has("a")], [false, true]);
    one.replaceAll([], 9);
    assertEquals(documents.get("a"), { value: 5, revision: 5 });
  }
});

Deno.test("a document that has moved within a part stays, in whichever order the part reports it", () => {
  for (const isDeletedFirst of [false, true]) {
    const { documents, one } = twoParts();
    one.merge(write("1a", 1, 1));
    const [deleted, written] = [write("1a", undefined, 5), write("2a", 5, 5)];
    for (const each of isDeletedFirst ? [deleted, written] : [written, deleted]) one.merge(each);
    assertEquals([documents.get("a")?.value, one.has("a")], [5, true]);
  }
});

Deno.test("a part that reports an old deletion keeps its own newer write", () => {
  const { documents, one, two } = twoParts();
  for (const part of [one, two]) part.merge(write("1a", 9, 9));
  assertEquals([one.merge(write("1a", undefined, 5)), one.has("a")], [false, true]);
  assertEquals(documents.get("a")?.value, 9);
});

Deno.test("what a list lacks stays if another part has it, and goes with the last part", () => {
  const { documents, one, two } = twoParts();
  for (const part of [one, two]) part.merge(write("1a", 1, 1));
  one.replaceAll([], 9);
  assertEquals([documents.has("a"), one.has("a")], [true, false]);
  two.replaceAll([], 9);
  assertEquals(documents.has("a"), false);
});

Deno.test("takeBack() leaves what another part has", () => {
  const { documents, one, two } = twoParts();
  for (const part of [one, two]) part.merge(write("1a", 1, 1));
  two.merge(write("1b", 2, 2));
  two.takeBack();
  assertEquals([[...documents.keys()], two.size], [["a"], 0]);
  one.takeBack();
  assertEquals(documents.size, 0);
});
