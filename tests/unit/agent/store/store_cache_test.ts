import { assertEquals, assertRejects } from "@std/assert";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { Change } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "./memory_store.ts";

const change = (key: string, value: Change["value"], revision: number): Change => ({
  key,
  value,
  revision,
});

/** Lets the mirror follow what the store tells; gives how often it rang. */
async function follow(mirror: StoreCache, store: MemoryStore): Promise<number> {
  const ended = new AbortController();
  store.onDrained = () => ended.abort();
  let rings = 0;
  await mirror.follow(ended.signal, () => rings++);
  return rings;
}

Deno.test("Mirror shows its own commit at once", async () => {
  const mirror = await StoreCache.load(new MemoryStore());
  await mirror.commit(() => ({
    checks: [{ key: "a", revision: 0 }],
    writes: [{ key: "a", value: 1 }],
  }));
  assertEquals(mirror.documents.get("a"), { value: 1, revision: 1 });
});

Deno.test("Mirror asks again with what is new after a conflict", async () => {
  const store = new MemoryStore();
  const mirror = await StoreCache.load(store);
  await store.commit([], [{ key: "n", value: 41 }]);
  await mirror.commit((documents) => {
    const n = documents.get("n");
    return {
      checks: [{ key: "n", revision: n?.revision ?? 0 }],
      writes: [{ key: "n", value: (n?.value as number ?? 0) + 1 }],
    };
  });
  assertEquals(store.entries.get("n")?.value, 42);
});

Deno.test("Mirror gives up on a store that never comes to rest", async () => {
  const mirror = await StoreCache.load(new MemoryStore());
  const never = () => ({ checks: [{ key: "n", revision: 9 }], writes: [] });
  await assertRejects(() => mirror.commit(never), Fault, "does not come to rest");
});

Deno.test("Mirror takes no older news of a key that it deleted itself", async () => {
  const store = new MemoryStore();
  const mirror = await StoreCache.load(store);
  await mirror.commit(() => ({ checks: [], writes: [{ key: "a", value: 1 }] }));
  await mirror.commit(() => ({ checks: [], writes: [{ key: "a", value: undefined }] }));
  store.batches = [{ kind: "changes", changes: [change("a", 1, 1)], revision: 1 }];
  assertEquals(await follow(mirror, store), 0);
  assertEquals(mirror.documents.has("a"), false);
});

Deno.test("Mirror lists again when the watch has lost its revisions", async () => {
  const store = new MemoryStore();
  const mirror = await StoreCache.load(store);
  await mirror.commit(() => ({ checks: [], writes: [{ key: "old", value: 1 }] }));
  await store.commit([], [{ key: "old", value: undefined }, { key: "new", value: 2 }]);
  store.batches = [{ kind: "compacted", revision: 2 }];
  assertEquals(await follow(mirror, store), 1);
  assertEquals([...mirror.documents.keys()], ["new"]);
});

Deno.test("reload() believes a store that was restored from before what is known", async () => {
  const store = new MemoryStore();
  await store.commit([], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  for (let n = 0; n < 5; n++) await store.commit([], [{ key: "a", value: n }]);
  const mirror = await StoreCache.load(store);
  store.entries.clear();
  store.revision = 2;
  store.entries.set("c", { key: "c", value: 7, revision: 2 });
  await mirror.reload();
  assertEquals([...mirror.documents], [["c", { value: 7, revision: 2 }]]);
  assertEquals(mirror.revision, 2);
});

Deno.test("reload() misses what was deleted by hand, also of the last revision", async () => {
  const store = new MemoryStore();
  await store.commit([], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  const mirror = await StoreCache.load(store);
  store.entries.delete("b");
  await mirror.reload();
  assertEquals([...mirror.documents.keys()], ["a"]);
});
