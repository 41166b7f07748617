// A cache of the whole store lives while somebody needs it, and is read anew once its watch has ended.

import { assertEquals, assertRejects } from "@std/assert";
import { TransientCache } from "../../../../lib/agent/store/transient_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";

/** A cache that counts what it loads; `watches` end the watch of each. */
function countedCache() {
  const watches: PromiseWithResolvers<void>[] = [];
  const cache = new TransientCache(() => {
    const watch = Promise.withResolvers<void>();
    const n = watches.push(watch);
    return Promise.resolve({
      n,
      follow: (signal: AbortSignal) => {
        signal.addEventListener("abort", () => watch.resolve());
        return watch.promise;
      },
      catchUp: () => Promise.resolve(),
    });
  });
  const use = () => cache.use(({ n }) => Promise.resolve(n));
  return { cache, watches, use };
}

const settled = () => new Promise((done) => setTimeout(done, 0));

Deno.test("those who need it shortly after one another share it; after close() it is read anew", async () => {
  const { cache, use } = countedCache();
  assertEquals([await use(), await use()], [1, 1]);
  cache.close();
  assertEquals(await use(), 2);
  cache.close();
});

Deno.test("a cache whose watch has ended is not used again", async () => {
  const { cache, watches, use } = countedCache();
  await use();
  watches[0]!.resolve();
  await settled();
  assertEquals(await use(), 2);
  watches[1]!.reject(new Fault("unavailable", "no answer"));
  await settled();
  assertEquals(await use(), 3);
  cache.close();
});

Deno.test("why a watch has failed is thrown for the next one who needs the cache, once", async () => {
  const { cache, watches, use } = countedCache();
  await use();
  watches[0]!.reject(new Fault("failed", "no permission"));
  await settled();
  await assertRejects(use, Fault, "no permission");
  assertEquals(await use(), 2);
  cache.close();
});

Deno.test("after a store that does not answer, the next one reads it again", async () => {
  let loads = 0;
  const cache = new TransientCache(() => {
    loads++;
    return Promise.reject(new Fault("unavailable", "no answer"));
  });
  for (let n = 0; n < 2; n++) {
    await assertRejects(() => cache.use(() => Promise.resolve()), Fault, "no answer");
  }
  assertEquals(loads, 2);
  cache.close();
});
