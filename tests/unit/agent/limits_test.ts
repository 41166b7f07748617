import { assertEquals, assertRejects } from "@std/assert";
import { limited, limitedStore } from "../../../lib/agent/limits.ts";
import type { Store } from "../../../lib/store/store.ts";
import { Fault } from "../../../lib/util/errors.ts";

class Driver {
  readonly #name = "sw0";
  get name(): string {
    return this.#name;
  }
  ask(): Promise<string> {
    return Promise.resolve(this.#name);
  }
  refuse(): Promise<string> {
    return Promise.reject(new Fault("conflict", "no"));
  }
  hang(): Promise<string> {
    return new Promise(() => {});
  }
  state(): string {
    return `${this.#name} up`;
  }
}

Deno.test("limited() changes nothing of answers, refusals and methods that return no promise", async () => {
  const driver = limited("switch", new Driver(), 1_000);
  assertEquals(await driver.ask(), "sw0");
  assertEquals(driver.state(), "sw0 up");
  assertEquals(driver.name, "sw0");
  const fault = await assertRejects(() => driver.refuse(), Fault);
  assertEquals(fault.code, "conflict");
});

Deno.test("limited() ends a call that hangs, with a sentence that names it", async () => {
  const driver = limited("Open vSwitch", new Driver(), 5);
  const fault = await assertRejects(() => driver.hang(), Fault);
  assertEquals(fault.code, "timeout");
  assertEquals(
    fault.message,
    "Open vSwitch did not answer in 5 ms: hang hangs; check whether it works; " +
      "the next reconciliation undoes what was begun",
  );
});

/** A store whose list yields a page every 5 ms, `pages` times, and then hangs or answers. */
function pagingStore(pages: number, { ends }: { ends: boolean }): Store {
  const list: Store["list"] = async (_, onPage) => {
    for (let n = 0; n < pages; n++) {
      await new Promise((done) => setTimeout(done, 5));
      onPage?.([]);
    }
    return ends ? { entries: [], revision: 7 } : await new Promise(() => {});
  };
  return { list } as Store;
}

Deno.test("limitedStore() lets a large store be read while its pages keep coming", async () => {
  const store = limitedStore(pagingStore(20, { ends: true }), 60);
  assertEquals((await store.list("", () => {})).revision, 7);
  await assertRejects(() => store.list(""), Fault, "did not answer in 60 ms");
});

Deno.test("limitedStore() ends a list that has stopped yielding pages", async () => {
  const store = limitedStore(pagingStore(2, { ends: false }), 20);
  const fault = await assertRejects(() => store.list("", () => {}), Fault);
  assertEquals(fault.code, "timeout");
});
