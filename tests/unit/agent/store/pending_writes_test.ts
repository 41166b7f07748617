import { assertEquals, assertRejects } from "@std/assert";
import { PendingWrites } from "../../../../lib/agent/store/pending_writes.ts";
import type { Check, Write } from "../../../../lib/store/store.ts";

/** Records what it is told, and finds a conflict at the keys of `moved`. */
function teller(moved: readonly string[] = []) {
  const told: string[] = [];
  const yielded: string[] = [];
  return {
    told,
    yielded,
    commit: (checks: readonly Check[], writes: readonly Write[]) => {
      const bad = checks.find(({ key }) => moved.includes(key));
      if (bad) return Promise.resolve({ done: false as const, conflict: bad.key });
      told.push(
        `${checks.map(({ key, revision }) => `${key}@${revision}`)} -> ` +
          writes.map(({ key, value }) => `${key}=${value}`).join(),
      );
      return Promise.resolve({ done: true as const, revision: 9 });
    },
    yielding: (keys: readonly string[]) => {
      yielded.push(...keys);
      return Promise.resolve();
    },
  };
}

Deno.test("Held tells a group as one commit, with what was checked first and written last", async () => {
  const held = new PendingWrites();
  held.add("pod", [{ key: "e", revision: 4 }, { key: "a", revision: 0 }], [{ key: "a", value: 1 }]);
  held.add("pod", [{ key: "a", revision: 7 }], [{ key: "a", value: 2 }]);
  const { told, commit, yielding } = teller();
  assertEquals(await held.replay(commit, yielding), []);
  assertEquals(told, ["e@4,a@0 -> a=2"]);
  assertEquals(held.size, 0);
});

Deno.test("Held lets a group yield whose records moved, and tells the others", async () => {
  const held = new PendingWrites();
  held.add("one", [{ key: "e1", revision: 4 }], [{ key: "a1", value: 1 }]);
  held.add("two", [{ key: "e2", revision: 4 }], [{ key: "a2", value: undefined }]);
  const { told, yielded, commit, yielding } = teller(["e1"]);
  assertEquals(await held.replay(commit, yielding), ["one"]);
  assertEquals([told, yielded], [["e2@4 -> a2=undefined"], ["a1"]]);
  assertEquals(held.size, 0);
});

Deno.test("Held keeps what it could not tell", async () => {
  const held = new PendingWrites();
  held.add("one", [], [{ key: "a", value: 1 }]);
  const away = () => Promise.reject(new Error("away"));
  await assertRejects(() => held.replay(away, () => Promise.resolve()), Error, "away");
  assertEquals(held.size, 1);
});

Deno.test("Held forgets a key that was written since, and a group with it", () => {
  const held = new PendingWrites();
  held.add("one", [], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  held.forget("a");
  assertEquals(held.size, 1);
  held.forget("b");
  assertEquals(held.size, 0);
});
