import { assertEquals, assertRejects } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** Lets the cache follow the store up to its revision; returns how often it reported news. */
async function follow(cache: StoreCache, { database }: MemoryStore): Promise<number> {
  const ended = new AbortController();
  let news = 0;
  const following = cache.follow(ended.signal, () => news++);
  while (cache.revision < database.revision) await new Promise((resolve) => setTimeout(resolve));
  ended.abort();
  await following;
  return news;
}

Deno.test("StoreCache shows its own commit at once", async () => {
  const cache = await StoreCache.load(new MemoryStore());
  await cache.commit(() => ({
    checks: [{ key: "a", revision: 0 }],
    writes: [{ key: "a", value: 1 }],
  }));
  assertEquals(cache.documents.get("a"), { value: 1, revision: 1 });
});

Deno.test("commit() asks again with fresh documents after a conflict", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  await store.commit([], [{ key: "n", value: 41 }]);
  await cache.commit((documents) => {
    const n = documents.get("n");
    return {
      checks: [{ key: "n", revision: n?.revision ?? 0 }],
      writes: [{ key: "n", value: (n?.value as number ?? 0) + 1 }],
    };
  });
  assertEquals(store.database.documents.get("n")?.value, 42);
});

Deno.test("commit() ends with a fault after many conflicts in a row", async () => {
  const cache = await StoreCache.load(new MemoryStore());
  const never = () => ({ checks: [{ key: "n", revision: 9 }], writes: [] });
  await assertRejects(() => cache.commit(never), Fault, "keeps changing");
});

Deno.test("follow() ignores an older change of a key that the cache itself deleted", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  await cache.commit(() => ({ checks: [], writes: [{ key: "a", value: 1 }] }));
  await cache.commit(() => ({ checks: [], writes: [{ key: "a", value: undefined }] }));
  assertEquals(await follow(cache, store), 0);
  assertEquals(cache.documents.has("a"), false);
});

Deno.test("follow() lists again when the revisions of its watch are compacted", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  await cache.commit(() => ({ checks: [], writes: [{ key: "old", value: 1 }] }));
  await store.commit([], [{ key: "old", value: undefined }, { key: "new", value: 2 }]);
  store.database.compact();
  assertEquals(await follow(cache, store), 1);
  assertEquals([...cache.documents.keys()], ["new"]);
});

Deno.test("reload() takes over a store that was restored to an older revision", async () => {
  const store = new MemoryStore();
  await store.commit([], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  for (let n = 0; n < 5; n++) await store.commit([], [{ key: "a", value: n }]);
  const cache = await StoreCache.load(store);
  store.database.restore({ c: 7 }, 2);
  await cache.reload();
  assertEquals([...cache.documents], [["c", { value: 7, revision: 2 }]]);
  assertEquals(cache.revision, 2);
});

Deno.test("reload() notices a document deleted by hand, also one of the last revision", async () => {
  const store = new MemoryStore();
  await store.commit([], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  const cache = await StoreCache.load(store);
  store.database.documents.delete("b");
  await cache.reload();
  assertEquals([...cache.documents.keys()], ["a"]);
});

Deno.test("open() uses known documents while the store is unreachable, and reads it in follow()", async () => {
  const store = new MemoryStore();
  store.database.put({ a: "new" });
  store.isUnreachable = true;
  const known = new Map([["a", { value: "old", revision: 9 }]]);
  const cache = await StoreCache.open(store, () => known);
  assertEquals(cache.documents.get("a")?.value, "old");
  assertEquals(cache.unreachable?.code, "unavailable");
  store.isUnreachable = false;
  assertEquals(await follow(cache, store), 1);
  assertEquals([cache.documents.get("a"), cache.unreachable], [
    { value: "new", revision: 1 },
    undefined,
  ]);
});

Deno.test("onTrouble() reports when the store stops answering and when it answers again, once each", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  const seen: (string | undefined)[] = [];
  cache.onTrouble((trouble) => seen.push(trouble?.code));
  store.isUnreachable = true;
  for (let n = 0; n < 2; n++) await assertRejects(() => cache.reload(), Fault);
  store.isUnreachable = false;
  for (let n = 0; n < 2; n++) await cache.reload();
  assertEquals(seen, ["unavailable", undefined]);
});

Deno.test("replayPending() commits what was recorded while the store was unreachable", async () => {
  const store = new MemoryStore();
  store.database.put({ a: 1 });
  const cache = await StoreCache.load(store);
  cache.addPending("pod", [{ key: "a", revision: 1 }], [{ key: "b", value: 2 }]);
  assertEquals([cache.documents.get("b")?.value, cache.pendingCount], [2, 1]);
  store.isUnreachable = true;
  await assertRejects(() => cache.replayPending(), Fault);
  assertEquals(cache.pendingCount, 1);
  store.isUnreachable = false;
  assertEquals(await cache.replayPending(), []);
  assertEquals([store.database.documents.get("b")?.value, cache.pendingCount], [2, 0]);
});

Deno.test("replayPending() drops a change whose records another client has changed", async () => {
  const store = new MemoryStore();
  store.database.put({ a: 1 });
  const cache = await StoreCache.load(store);
  cache.addPending("pod", [{ key: "a", revision: 1 }], [{ key: "b", value: 2 }]);
  store.database.put({ a: 2 });
  assertEquals(await cache.replayPending(), ["pod"]);
  assertEquals([store.database.keysBelow(""), cache.documents.has("b")], [["a"], false]);
});

Deno.test("commit() succeeds after a conflict, and does not repeat a commit whose answer was lost", async () => {
  const store = new MemoryStore();
  const cache = await StoreCache.load(store);
  const increment = () =>
    cache.commit((documents) => ({
      checks: [{ key: "n", revision: documents.get("n")?.revision ?? 0 }],
      writes: [{ key: "n", value: (documents.get("n")?.value as number ?? 0) + 1 }],
    }));
  store.failNext("commit", "conflict");
  await increment();
  store.failNext("commit", "answer lost");
  await assertRejects(increment, Fault, "in time");
  assertEquals(store.database.documents.get("n")?.value, 2);
});
