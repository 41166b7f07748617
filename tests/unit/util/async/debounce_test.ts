import { assertEquals } from "@std/assert";
import { Debounce } from "../../../../lib/util/async/debounce.ts";

Deno.test("after work: one chore for all the work until then, another for what comes later", async () => {
  let [done, wake] = [0, () => {}];
  using chore = new Debounce(() => {
    done++;
    wake();
  }, 5);
  for (const round of [1, 2]) {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    chore.note();
    chore.note();
    assertEquals(done, round - 1);
    await promise;
    assertEquals(done, round);
  }
});
