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

/** A cache that follows `store` until it is disposed of; `late` counts how often all was read again. */
async function following(store: MemoryStore) {
  const cache = await StoreCache.load(store);
  const stop = new AbortController();
  const count = { late: 0 };
  cache.onLate(() => count.late++);
  const ended = cache.follow(stop.signal, () => {});
  return {
    cache,
    count,
    [Symbol.asyncDispose]: () => {
      stop.abort();
      return ended;
    },
  };
}

Deno.test("catchUp() knows all commits made before it, however many others write to the same etcd", async () => {
  const store = new MemoryStore();
  await using followed = await following(store);
  const { cache, count } = followed;
  const other = store.another();
  for (let n = 0; n < 50; n++) {
    store.database.writeElsewhere();
    await other.commit([], [n % 2 ? { key: "a", value: undefined } : { key: "a", value: n }]);
    // In every other pair of rounds, the watch has reported it, and will report nothing of what others write.
    while (n % 4 < 2 && cache.revision < store.database.revision) {
      await new Promise((done) => setTimeout(done));
    }
    store.database.writeElsewhere();
    await cache.catchUp();
    assertEquals(cache.documents.get("a")?.value, n % 2 ? undefined : n);
  }
  assertEquals(count.late, 0);
});

Deno.test("catchUp() writes no watermark where the watch is up to date, or a moment behind", async () => {
  const store = new MemoryStore();
  await using followed = await following(store);
  await store.another().commit([], [{ key: "a", value: 1 }]);
  await followed.cache.catchUp();
  await followed.cache.catchUp();
  assertEquals([store.database.watermark, store.database.revision], [0, 1]);
});

Deno.test("catchUp() and learn() read everything if the watch has stopped, and say so", async () => {
  const store = new MemoryStore();
  const stopped = Promise.withResolvers<void>();
  store.watch = async function* () {
    await stopped.promise;
    yield* [];
  };
  await using followed = await following(store);
  await store.commit([], [{ key: "a", value: 1 }]);
  await followed.cache.catchUp();
  assertEquals([followed.cache.documents.get("a")?.value, followed.count.late], [1, 1]);
  await store.commit([], [{ key: "a", value: undefined }]);
  await followed.cache.learn("a");
  assertEquals([followed.cache.documents.has("a"), followed.count.late], [false, 2]);
  stopped.resolve();
});

Deno.test("learn() knows the deletion with which a commit conflicted without reading everything", async () => {
  const store = new MemoryStore();
  store.database.put({ a: 1 });
  await using followed = await following(store);
  await store.commit([], [{ key: "a", value: undefined }]);
  store.database.writeElsewhere();
  await followed.cache.learn("a");
  assertEquals([followed.cache.documents.has("a"), followed.count.late], [false, 0]);
});

Deno.test("reload() keeps what the watch reports while it reads: writes and deletions", async () => {
  const store = new MemoryStore();
  store.database.put({ a: 1, b: 1 });
  await using followed = await following(store);
  const { list } = store;
  store.list = async function (prefix, onPage) {
    const listed = await list.call(this, prefix, onPage);
    this.database.put({ b: undefined, c: 3 });
    while (followed.cache.revision < this.database.revision) {
      await new Promise((done) => setTimeout(done));
    }
    return listed;
  };
  await followed.cache.reload();
  assertEquals([...followed.cache.documents.keys()].sort(), ["a", "c"]);
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
  const cache = await StoreCache.open(store, () => ({ documents: known }));
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
