import { assertEquals } from "@std/assert";
import { Turns } from "../../../../lib/store/etcd/turns.ts";

Deno.test("take() runs work on one key in the order it was asked, on others at once", async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work = (name: string, wait?: Promise<void>) => async () => {
    await wait;
    seen.push(name);
  };
  const all = [
    turns.take(["a", "b"], work("first", gate.promise)),
    turns.take(["b"], work("second")),
    turns.take(["c"], work("other")),
    turns.take(["a"], work("third")),
  ];
  await all[2];
  assertEquals(seen, ["other"]);
  gate.resolve();
  await Promise.all(all);
  assertEquals(seen.slice(0, 2), ["other", "first"]);
  assertEquals(seen.length, 4);
});

Deno.test("take() goes on after work that failed", async () => {
  const turns = new Turns();
  const failing = turns.take(["a"], () => Promise.reject(new Error("no")));
  const next = turns.take(["a"], () => Promise.resolve("done"));
  assertEquals(await failing.catch((error: Error) => error.message), "no");
  assertEquals(await next, "done");
});

Deno.test("take() runs no more than 32 at once, and all in the end", async () => {
  const turns = new Turns();
  let [running, most, done] = [0, 0, 0];
  const work = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    done++;
  };
  await Promise.all(Array.from({ length: 100 }, (_, n) => turns.take([`${n}`], work)));
  assertEquals([most, done], [32, 100]);
});
