import { assertEquals } from "@std/assert";
import { type CommitKeys, CommitScheduler } from "../../../../lib/store/etcd/commit_scheduler.ts";

const writing = (...keys: string[]): CommitKeys => ({ checks: [], writes: keys });

Deno.test("take() runs work on one key in the order it was asked, on others at once", async () => {
  const turns = new CommitScheduler();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    seen.push(name);
  };
  const all = [
    turns.run(writing("a", "b"), work("first", gate.promise)),
    turns.run(writing("b"), work("second")),
    turns.run(writing("c"), work("other")),
    turns.run(writing("a"), work("third")),
  ];
  await all[2];
  assertEquals(seen, ["other"]);
  gate.resolve();
  await Promise.all(all);
  assertEquals(seen.slice(0, 2), ["other", "first"]);
  assertEquals(seen.length, 4);
});

Deno.test("take() goes on after work that failed", async () => {
  const turns = new CommitScheduler();
  const failing = turns.run(writing("a"), () => Promise.reject(new Error("no")));
  const next = turns.run(writing("a"), () => Promise.resolve("done"));
  assertEquals(await failing.catch((error: Error) => error.message), "no");
  assertEquals(await next, "done");
});

Deno.test("take() runs no more than 32 at once, and all in the end", async () => {
  const turns = new CommitScheduler();
  let [running, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    done++;
  };
  await Promise.all(Array.from({ length: 100 }, (_, n) => turns.run(writing(`${n}`), work)));
  assertEquals([most, done], [32, 100]);
});

Deno.test("take() lets those that only check a key run at once, between its writers", async () => {
  const turns = new CommitScheduler();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    seen.push(name);
  };
  const checking: CommitKeys = { checks: ["a"], writes: [] };
  const all = [
    turns.run(checking, work("slow check", gate.promise)),
    turns.run(checking, work("quick check")),
    turns.run({ checks: ["a"], writes: ["a"] }, work("write")),
    turns.run(checking, work("late check")),
  ];
  await all[1];
  assertEquals(seen, ["quick check"]);
  gate.resolve();
  await Promise.all(all);
  assertEquals(seen, ["quick check", "slow check", "write", "late check"]);
});
