// A document that is read by its key while the watch reports changes of it: nothing is revived, and no update lost.

import { assertEquals } from "@std/assert";
import { type CacheOptions, StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { indexKeys } from "../../../../lib/intent/store_index.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { waitFor as until } from "../../../lab/wait.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const KEY = "endpoints/t/a/web";
const value = (address: string) => ({
  ...{ schema: 1, tenant: "t", network: "a", container: "web", address },
});

/** Follows a store, of which `get` answers with what was there before `meanwhile` was written and reported. */
async function startFollowing(options: CacheOptions) {
  const store = new MemoryStore();
  store.database.put({ [indexKeys.complete]: { schema: 1, version: 1 } });
  const client = store.another();
  const cache = await StoreCache.open(client, () => ({ documents: new Map() }), options);
  const stop = new AbortController();
  const reported = { count: 0 };
  cache.onChange = (key) => reported.count += key === KEY ? 1 : 0;
  const { get } = client;
  let due: readonly (Json | undefined)[] = [];
  client.get = async function (key) {
    const entry = await get.call(this, key);
    if (key !== KEY) return entry;
    const [values, before] = [due, reported.count];
    due = [];
    for (const one of values) await store.commit([], [{ key, value: one }]);
    await until("it is reported", () => reported.count >= before + values.length);
    return entry;
  };
  const ended = cache.follow(stop.signal, () => {});
  const held = await cache.need({ networks: [{ tenant: "t", name: "a" }] });
  return {
    ...{ store, cache },
    put: async (one: Json | undefined) => {
      const before = reported.count;
      await store.commit([], [{ key: KEY, value: one }]);
      await until("it is reported", () => reported.count > before);
    },
    /** Lets these values be written and reported while the next read is on its way. */
    meanwhile: (...values: (Json | undefined)[]) => void (due = values),
    address: () => (cache.documents.get(KEY)?.value as { address: string } | undefined)?.address,
    [Symbol.asyncDispose]: async () => {
      held[Symbol.dispose]();
      stop.abort();
      await ended;
    },
  };
}

const CASES: readonly [string, before: (string | undefined), meanwhile: (string | undefined)[]][] =
  [
    ["is deleted", "10.1.0.1", [undefined]],
    ["is updated", "10.1.0.1", ["10.1.0.2"]],
    ["is written, where there was none", undefined, ["10.1.0.2"]],
    ["is updated and deleted", "10.1.0.1", ["10.1.0.2", undefined]],
    ["is deleted and written again", "10.1.0.1", [undefined, "10.1.0.2"]],
  ];

for (const isScoped of [true, false]) {
  for (const [what, before, meanwhile] of CASES) {
    Deno.test(`what the watch reports stays when a document ${what} while it is read, of ${isScoped ? "a part" : "all"} of the store`, async () => {
      await using followed = await startFollowing(
        isScoped ? { isShared: true, scope: "host1" } : { isShared: true },
      );
      const { cache } = followed;
      assertEquals(cache.isWhole, !isScoped);
      const of = (address: string | undefined) =>
        address === undefined ? undefined : value(address);
      if (before !== undefined) await followed.put(of(before));
      followed.meanwhile(...meanwhile.map(of));
      await (isScoped ? cache.learn(KEY) : cache.refresh(KEY));
      assertEquals(followed.address(), meanwhile.at(-1));
    });
  }
}
