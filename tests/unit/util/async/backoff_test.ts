import { assertEquals } from "@std/assert";
import { Backoff } from "../../../../lib/util/async/backoff.ts";

/** Asks each second; gives the seconds in which it was due. */
function dueAt(patience: Backoff, words: (second: number) => string, seconds: number): number[] {
  return Array.from({ length: seconds }, (_, at) => at)
    .filter((at) => patience.isDue("pod", words(at), at * 1_000));
}

Deno.test("Patience tries at once, then after pauses that grow to a minute", () => {
  const due = dueAt(new Backoff(), () => "same", 250);
  assertEquals(due, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

Deno.test("Patience tries at once again where what it depends on has changed", () => {
  const due = dueAt(new Backoff(), (second) => second < 20 ? "old" : "new", 30);
  assertEquals(due, [0, 1, 3, 7, 15, 20, 21, 23, 27]);
});

Deno.test("Patience knows nothing of what worked, nor of other keys, nor of more than 1,000", () => {
  const patience = new Backoff();
  assertEquals([patience.isDue("a", "x", 0), patience.isDue("b", "x", 0)], [true, true]);
  assertEquals(patience.isDue("a", "x", 500), false);
  patience.forget("a");
  assertEquals(patience.isDue("a", "x", 500), true);
  for (let n = 0; n < 1_000; n++) patience.isDue(`${n}`, "x", 0);
  assertEquals([patience.isDue("a", "x", 600), patience.isDue("999", "x", 600)], [true, false]);
});
