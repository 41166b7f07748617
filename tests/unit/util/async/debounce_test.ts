import { assertEquals } from "@std/assert";
import { Debounce } from "../../../../lib/util/async/debounce.ts";

Deno.test("note() makes one task due for all work until then, and another for later work", async () => {
  let [done, wake] = [0, () => {}];
  using debounce = new Debounce(() => {
    done++;
    wake();
  }, 5);
  for (const round of [1, 2]) {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    debounce.note();
    debounce.note();
    assertEquals(done, round - 1);
    await promise;
    assertEquals(done, round);
  }
});
