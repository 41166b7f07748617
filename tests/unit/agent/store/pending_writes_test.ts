import { assertEquals, assertRejects } from "@std/assert";
import { PendingWrites } from "../../../../lib/agent/store/pending_writes.ts";
import type { Check, Write } from "../../../../lib/store/store.ts";

/** A store that records commits, with a conflict at each key of `changed`. */
function recorder(changed: readonly string[] = []) {
  const committed: string[] = [];
  const dropped: string[] = [];
  return {
    committed,
    dropped,
    commit: (checks: readonly Check[], writes: readonly Write[]) => {
      const bad = checks.find(({ key }) => changed.includes(key));
      if (bad) return Promise.resolve({ done: false as const, conflict: bad.key });
      committed.push(
        `${checks.map(({ key, revision }) => `${key}@${revision}`)} -> ` +
          writes.map(({ key, value }) => `${key}=${value}`).join(),
      );
      return Promise.resolve({ done: true as const, revision: 9 });
    },
    onDropped: (keys: readonly string[]) => {
      dropped.push(...keys);
      return Promise.resolve();
    },
  };
}

Deno.test("PendingWrites replays a group as one commit, with the first check and the last write of each key", async () => {
  const pending = new PendingWrites();
  pending.add("pod", [{ key: "e", revision: 4 }, { key: "a", revision: 0 }], [{
    key: "a",
    value: 1,
  }]);
  pending.add("pod", [{ key: "a", revision: 7 }], [{ key: "a", value: 2 }]);
  const { committed, commit, onDropped } = recorder();
  assertEquals(await pending.replay(commit, onDropped), []);
  assertEquals(committed, ["e@4,a@0 -> a=2"]);
  assertEquals(pending.size, 0);
});

Deno.test("PendingWrites drops a group whose records have changed, and replays the others", async () => {
  const pending = new PendingWrites();
  pending.add("one", [{ key: "e1", revision: 4 }], [{ key: "a1", value: 1 }]);
  pending.add("two", [{ key: "e2", revision: 4 }], [{ key: "a2", value: undefined }]);
  const { committed, dropped, commit, onDropped } = recorder(["e1"]);
  assertEquals(await pending.replay(commit, onDropped), ["one"]);
  assertEquals([committed, dropped], [["e2@4 -> a2=undefined"], ["a1"]]);
  assertEquals(pending.size, 0);
});

Deno.test("PendingWrites keeps what it could not replay", async () => {
  const pending = new PendingWrites();
  pending.add("one", [], [{ key: "a", value: 1 }]);
  const unreachable = () => Promise.reject(new Error("unreachable"));
  await assertRejects(
    () => pending.replay(unreachable, () => Promise.resolve()),
    Error,
    "unreachable",
  );
  assertEquals(pending.size, 1);
});

Deno.test("PendingWrites forgets a key that was written since, and an empty group", () => {
  const pending = new PendingWrites();
  pending.add("one", [], [{ key: "a", value: 1 }, { key: "b", value: 1 }]);
  pending.forget("a");
  assertEquals(pending.size, 1);
  pending.forget("b");
  assertEquals(pending.size, 0);
});
