import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";
import { Fault } from "../../../../lib/util/errors.ts";

Deno.test("run() runs work for one key in order and for two keys side by side", async () => {
  const queue = new KeyedQueue();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = queue.run("a", async () => {
    await gate.promise;
    seen.push("a1");
  });
  const second = queue.run("a", () => Promise.resolve(seen.push("a2")));
  await queue.run("b", () => Promise.resolve(seen.push("b1")));
  gate.resolve();
  await Promise.all([first, second]);
  assertEquals(seen, ["b1", "a1", "a2"]);
});

Deno.test("run() goes on after work that failed, and the queue is idle in the end", async () => {
  const queue = new KeyedQueue();
  const failing = queue.run("a", () => Promise.reject(new Error("no")));
  const next = queue.run("a", () => Promise.resolve(2));
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, 2);
  await queue.idle();
  assertEquals(queue.isBusy("a"), false);
});

Deno.test("acquire() waits for all of its keys, and keeps later work for each of them waiting", async () => {
  const queue = new KeyedQueue();
  const seen: string[] = [];
  const releaseA = await queue.acquire(["a"]);
  const both = queue.acquire(["a", "b"]).then((release) => {
    seen.push("both");
    return release;
  });
  const late = queue.run("b", () => Promise.resolve(seen.push("b")));
  assertEquals([queue.isBusy("b"), seen], [true, []]);
  releaseA();
  const release = await both;
  assertEquals(seen, ["both"]);
  release();
  await late;
  await queue.idle();
});

Deno.test("acquire() with the same keys in another order never deadlocks", async () => {
  const queue = new KeyedQueue();
  const orders = [["a", "b"], ["b", "a"], ["a", "b"]];
  await Promise.all(orders.map(async (keys) => (await queue.acquire(keys))()));
  await queue.idle();
});

Deno.test("acquire() gives up at its deadline, and lets later work have its turn", async () => {
  const queue = new KeyedQueue();
  const release = await queue.acquire(["a"]);
  const fault = await assertRejects(() => queue.acquire(["a"], performance.now() + 5), Fault);
  assertEquals(fault.code, "timeout");
  // The message has what was left of the time when the wait began.
  assertMatch(fault.what, /^earlier work on a did not end within [0-5] ms$/);
  let isRun = false;
  const later = queue.run("a", () => Promise.resolve(isRun = true));
  await new Promise((done) => setTimeout(done, 5));
  assertEquals(isRun, false);
  release();
  await later;
  await queue.idle();
});
