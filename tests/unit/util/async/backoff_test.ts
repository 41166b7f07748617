import { assertEquals } from "@std/assert";
import { Backoff } from "../../../../lib/util/async/backoff.ts";

/** Asks each second; returns the seconds in which it was due. */
function dueAt(backoff: Backoff, inputs: (second: number) => string, seconds: number): number[] {
  return Array.from({ length: seconds }, (_, at) => at)
    .filter((at) => backoff.isDue("pod", inputs(at), at * 1_000));
}

Deno.test("isDue() tries at once, then after pauses that grow to a minute", () => {
  const due = dueAt(new Backoff(), () => "same", 250);
  assertEquals(due, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

Deno.test("isDue() tries at once again where what it depends on has changed", () => {
  const due = dueAt(new Backoff(), (second) => second < 20 ? "old" : "new", 30);
  assertEquals(due, [0, 1, 3, 7, 15, 20, 21, 23, 27]);
});

Deno.test("isDue() forgets what succeeded, keeps keys apart, and remembers 1,000 of them", () => {
  const backoff = new Backoff();
  assertEquals([backoff.isDue("a", "x", 0), backoff.isDue("b", "x", 0)], [true, true]);
  assertEquals(backoff.isDue("a", "x", 500), false);
  backoff.forget("a");
  assertEquals(backoff.isDue("a", "x", 500), true);
  for (let n = 0; n < 1_000; n++) backoff.isDue(`${n}`, "x", 0);
  assertEquals([backoff.isDue("a", "x", 600), backoff.isDue("999", "x", 600)], [true, false]);
});
