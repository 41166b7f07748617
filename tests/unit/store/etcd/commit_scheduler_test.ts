import { assertEquals } from "@std/assert";
import { type CommitKeys, CommitScheduler } from "../../../../lib/store/etcd/commit_scheduler.ts";

/** Makes work that adds its name to `seen` when it has waited. */
function recorder() {
  const seen: string[] = [];
  const work = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    seen.push(name);
  };
  return { seen, work };
}

const writing = (...keys: string[]): CommitKeys => ({ checks: [], writes: keys });

Deno.test("run() runs work on one key in the order it was asked, on others at once", async () => {
  const scheduler = new CommitScheduler();
  const { seen, work } = recorder();
  const gate = Promise.withResolvers<void>();
  const all = [
    scheduler.run(writing("a", "b"), work("first", gate.promise)),
    scheduler.run(writing("b"), work("second")),
    scheduler.run(writing("c"), work("other")),
    scheduler.run(writing("a"), work("third")),
  ];
  await all[2];
  assertEquals(seen, ["other"]);
  gate.resolve();
  await Promise.all(all);
  assertEquals(seen.slice(0, 2), ["other", "first"]);
  assertEquals(seen.length, 4);
});

Deno.test("run() goes on after work that failed", async () => {
  const scheduler = new CommitScheduler();
  const failing = scheduler.run(writing("a"), () => Promise.reject(new Error("no")));
  const next = scheduler.run(writing("a"), () => Promise.resolve("done"));
  assertEquals(await failing.catch((error: Error) => error.message), "no");
  assertEquals(await next, "done");
});

Deno.test("run() runs no more than 32 at once, and all in the end", async () => {
  const scheduler = new CommitScheduler();
  let [running, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    done++;
  };
  await Promise.all(Array.from({ length: 100 }, (_, n) => scheduler.run(writing(`${n}`), work)));
  assertEquals([most, done], [32, 100]);
});

Deno.test("run() lets those that only check a key run at once, between its writers", async () => {
  const scheduler = new CommitScheduler();
  const { seen, work } = recorder();
  const gate = Promise.withResolvers<void>();
  const checking: CommitKeys = { checks: ["a"], writes: [] };
  const all = [
    scheduler.run(checking, work("slow check", gate.promise)),
    scheduler.run(checking, work("quick check")),
    scheduler.run({ checks: ["a"], writes: ["a"] }, work("write")),
    scheduler.run(checking, work("late check")),
  ];
  await all[1];
  assertEquals(seen, ["quick check"]);
  gate.resolve();
  await Promise.all(all);
  assertEquals(seen, ["quick check", "slow check", "write", "late check"]);
});
