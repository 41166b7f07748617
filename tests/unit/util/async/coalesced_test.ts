import { assertEquals, assertRejects } from "@std/assert";
import { Coalesced } from "../../../../lib/util/async/coalesced.ts";

/** Work that ends when a test ends it. */
function slow() {
  const ends: PromiseWithResolvers<void>[] = [];
  const shared = new Coalesced(() => {
    ends.push(Promise.withResolvers<void>());
    return ends.at(-1)!.promise;
  });
  return { shared, ends };
}

const turns = () => new Promise((done) => setTimeout(done, 0));

Deno.test("run() does the work once for all who ask before it begins", async () => {
  const { shared, ends } = slow();
  const all = [shared.run(), shared.run(), shared.run()];
  await turns();
  assertEquals(ends.length, 1);
  ends[0]?.resolve();
  await Promise.all(all);
});

Deno.test("run() does it once more for those who ask while it is under way", async () => {
  const { shared, ends } = slow();
  const first = shared.run();
  await turns();
  const later = [shared.run(), shared.run()];
  let isDone = false;
  for (const one of later) one.then(() => isDone = true);
  ends[0]?.resolve();
  await first;
  await turns();
  assertEquals([ends.length, isDone], [2, false]);
  ends[1]?.resolve();
  await Promise.all(later);
});

Deno.test("run() goes on after work that failed", async () => {
  const { shared, ends } = slow();
  const first = shared.run();
  await turns();
  const second = shared.run();
  ends[0]?.reject(new Error("no"));
  await assertRejects(() => first);
  await turns();
  ends[1]?.resolve();
  await second;
  const third = shared.run();
  await turns();
  ends[2]?.resolve();
  await third;
  assertEquals(ends.length, 3);
});
