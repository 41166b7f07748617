import { assertEquals, assertRejects } from "@std/assert";
import { Notifier } from "../../../../lib/util/async/notifier.ts";
import { KeyedQueue } from "../../../../lib/util/async/keyed_queue.ts";

Deno.test("Queue runs work for one key in order and for two keys side by side", async () => {
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

Deno.test("Queue goes on after work that failed, and is idle in the end", async () => {
  const queue = new KeyedQueue();
  const failing = queue.run("a", () => Promise.reject(new Error("no")));
  const next = queue.run("a", () => Promise.resolve(2));
  await assertRejects(() => failing, Error, "no");
  assertEquals(await next, 2);
  await queue.idle();
});

Deno.test("Bell makes one look of many rings, and remembers one that nobody waited for", async () => {
  const bell = new Notifier();
  const { signal } = new AbortController();
  bell.notify();
  bell.notify();
  await bell.wait({ withinMs: 60_000, signal });
  const waiting = bell.wait({ withinMs: 60_000, signal });
  bell.notify();
  await waiting;
});

Deno.test("Bell stops waiting when its signal aborts", async () => {
  const ended = new AbortController();
  const waiting = new Notifier().wait({ withinMs: 60_000, signal: ended.signal });
  ended.abort();
  await waiting;
});
