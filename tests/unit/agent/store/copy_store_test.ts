// A copy of a store has all documents, in commits that every store takes.

import { assertEquals, assertRejects } from "@std/assert";
import { copyStore } from "../../../../lib/agent/store/copy_store.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

async function storeOf(documents: Readonly<Record<string, Json>>): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, value] of Object.entries(documents)) await store.commit([], [{ key, value }]);
  return store;
}

async function contents(store: MemoryStore): Promise<Record<string, Json>> {
  return Object.fromEntries((await store.list("")).entries.map(({ key, value }) => [key, value]));
}

Deno.test("all documents are copied, but not what agents say of themselves", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 230 }, (_, n) => [`claims/${n}`, { schema: 1, owner: `o${n}` }]),
  );
  const large = Object.fromEntries(
    Array.from({ length: 5 }, (_, n) => [`requests/${n}`, { text: "x".repeat(200_000) }]),
  );
  const foreign = { "others/thing": [1, null, "ü"] };
  const from = await storeOf({ ...many, ...large, ...foreign, "agents/h": { beat: 1 } });
  const to = await storeOf({ "agents/g": { beat: 2 } });
  const dry = await copyStore(from, to, { isDry: true });
  assertEquals([dry.documents, dry.written], [236, 236]);
  assertEquals(await contents(to), { "agents/g": { beat: 2 } });
  assertEquals(await copyStore(from, to), { documents: 236, written: 236, deleted: 0 });
  assertEquals(await contents(to), { ...many, ...large, ...foreign, "agents/g": { beat: 2 } });
});

Deno.test("a destination that is not empty is refused; with force it becomes the source", async () => {
  const from = await storeOf({ "a/1": 1, "a/2": 2 });
  const to = await storeOf({ "a/1": 1, "a/2": 3, "a/9": 9 });
  await assertRejects(() => copyStore(from, to), Fault, "it has 3 documents, such as a/1");
  assertEquals(await copyStore(from, to, { isForced: true }), {
    documents: 2,
    written: 1,
    deleted: 1,
  });
  assertEquals(await contents(to), await contents(from));
});

Deno.test("what changes at the source meanwhile is copied, too; one that goes on to change is an error", async () => {
  const from = await storeOf({ "a/1": 1 });
  const to = new MemoryStore();
  let changes = 2;
  const busy = {
    list: async (prefix: string) => {
      if (changes-- > 0) await from.commit([], [{ key: `a/new${changes}`, value: 1 }]);
      return await from.list(prefix);
    },
  };
  assertEquals((await copyStore(busy, to)).documents, 3);
  assertEquals(await contents(to), await contents(from));
  changes = 1_000;
  await assertRejects(() => copyStore(busy, to, { isForced: true }), Fault, "goes on to change");
});

Deno.test("another writer at the destination is an error, and nothing of it is lost", async () => {
  const from = await storeOf({ "a/1": 1 });
  const to = new MemoryStore();
  const raced = {
    list: (prefix: string) => to.list(prefix),
    commit: async (...[checks, writes]: Parameters<MemoryStore["commit"]>) => {
      await to.commit([], [{ key: "a/1", value: "other" }]);
      return await to.commit(checks, writes);
    },
  };
  await assertRejects(() => copyStore(from, raced), Fault, "somebody else has written a/1");
  assertEquals(await contents(to), { "a/1": "other" });
});

Deno.test("an interrupted copy says how far it is; another one completes it", async () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`claims/${n}`, n]));
  const [from, to] = [await storeOf(many), new MemoryStore()];
  const end = new AbortController();
  const seen: string[] = [];
  const report = (done: number, of: number) => {
    seen.push(`${done}/${of}`);
    if (done > 100) end.abort();
  };
  await assertRejects(
    () => copyStore(from, to, { report, signal: end.signal }),
    Fault,
    "the copy was interrupted: 150 of 500 documents are written to the destination",
  );
  assertEquals([seen.at(-1), (await to.list("")).entries.length], ["150/500", 150]);
  const none = new AbortController();
  none.abort();
  await assertRejects(
    () => copyStore(from, new MemoryStore(), { signal: none.signal }),
    Fault,
    "0 of 500 documents are written to the destination; copy again",
  );
  assertEquals((await copyStore(from, to, { isForced: true })).written, 350);
  assertEquals(await contents(to), many);
});

Deno.test("a copy with force that is interrupted leaves no store that says that its indexes are complete", async () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`claims/${n}`, n]));
  const index = { "members/t/n/h/s/eth0": 1, "members/~state/complete": { version: 1 } };
  const [from, to] = [await storeOf(many), await storeOf(index)];
  const end = new AbortController();
  await assertRejects(
    () => copyStore(from, to, { isForced: true, report: () => end.abort(), signal: end.signal }),
    Fault,
    "50 of 102 documents",
  );
  assertEquals(Object.keys(await contents(to)).filter((key) => key.includes("~")), []);
  await copyStore(from, to, { isForced: true });
  assertEquals(await contents(to), many);
});
