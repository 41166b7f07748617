import { assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import { put, range, type StoreBench, storeContract } from "../../contract/store_contract.ts";
import { watchContract } from "../../contract/store_watch_contract.ts";
import { MemoryStore } from "../../memory/memory_store.ts";

function startMemory(): Promise<StoreBench> {
  const store = new MemoryStore();
  return Promise.resolve({
    store,
    another: () => Promise.resolve(store.another()),
    compact: () => Promise.resolve(store.database.compact()),
    [Symbol.asyncDispose]: () => store.close(),
  });
}

storeContract("memory", startMemory);
watchContract("memory", startMemory);

const codeOf = async (call: () => Promise<unknown>) => (await assertRejects(call, Fault)).code;

Deno.test("MemoryStore faults while it is unreachable, and another client does not", async () => {
  const store = new MemoryStore();
  store.isUnreachable = true;
  assertEquals(await codeOf(() => store.get("a")), "unavailable");
  assertEquals(await codeOf(() => store.list("")), "unavailable");
  assertEquals(await codeOf(() => put(store, "a", 1)), "unavailable");
  await put(store.another(), "a", 2);
  store.isUnreachable = false;
  assertEquals((await store.get("a"))?.value, 2);
});

Deno.test("MemoryStore ends a waiting watch when it becomes unreachable", async () => {
  const store = new MemoryStore();
  const watching = Array.fromAsync(store.watch("", 0, new AbortController().signal));
  store.isUnreachable = true;
  assertEquals(await codeOf(() => watching), "unavailable");
});

Deno.test("MemoryStore fails only the next call of that kind", async () => {
  const store = new MemoryStore();
  store.failNext("get", "timeout");
  store.failNext("commit", "unreachable");
  store.failNext("commit", "timeout");
  assertEquals((await store.list("")).entries, []);
  assertEquals(await codeOf(() => store.get("a")), "timeout");
  assertEquals(await store.get("a"), undefined);
  assertEquals(await codeOf(() => put(store, "a", 1)), "unavailable");
  assertEquals(await codeOf(() => put(store, "a", 1)), "timeout");
  assertEquals(store.database.revision, 0);
  assertEquals(await put(store, "a", 1), 1);
});

Deno.test("MemoryStore reports a conflict once, or does a commit and loses the answer", async () => {
  const store = new MemoryStore();
  const create = (key: string) => store.commit([{ key, revision: 0 }], [{ key, value: 1 }]);
  store.failNext("commit", "conflict");
  assertEquals(await create("a"), { done: false, conflict: "a" });
  assertEquals(await create("a"), { done: true, revision: 1 });
  store.failNext("commit", "answer lost");
  assertEquals(await codeOf(() => create("b")), "timeout");
  assertEquals(await create("b"), { done: false, conflict: "b" });
});

Deno.test("MemoryStore runs beforeCommit() before it judges the checks", async () => {
  const store = new MemoryStore();
  store.beforeCommit = () => store.database.put({ a: "another's" });
  const create = () => store.commit([{ key: "a", revision: 0 }], [{ key: "a", value: "mine" }]);
  assertEquals(await create(), { done: false, conflict: "a" });
});

Deno.test("MemoryStore lists page by page", async () => {
  const store = new MemoryStore();
  store.database.put(Object.fromEntries(range(250).map((n) => [`k/${1_000 + n}`, n])));
  const pages: number[] = [];
  const { entries } = await store.list("k/", (page) => void pages.push(page.length));
  assertEquals([pages, entries.length], [[100, 100, 50], 250]);
});

Deno.test("MemoryStore says compacted to those who know more than a restored copy", async () => {
  const store = new MemoryStore();
  for (const n of range(5)) await put(store, "a", n);
  const { signal } = new AbortController();
  const watching = Array.fromAsync(store.watch("", 5, signal));
  store.database.restore({ a: 1 }, 2);
  assertEquals(await watching, [{ kind: "compacted", revision: 2 }]);
  assertEquals(await store.get("a"), { key: "a", value: 1, revision: 2 });
});
