import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { progressLine } from "../../../lib/cli/progress_line.ts";
import { runs } from "../cases.ts";

Deno.test("progress is a bar where the number is known, else the time", () => {
  const what = "apply";
  assertEquals(
    progressLine({ what, count: { done: 30, of: 120 }, ms: 2_999 }, 80),
    `apply [##########${".".repeat(30)}] 30/120, 2 s`,
  );
  assertEquals(
    progressLine({ what, count: { done: 120, of: 120 }, ms: 0 }, 40),
    "apply [##################] 120/120, 0 s",
  );
  assertEquals(progressLine({ what, count: { done: 1, of: 9 }, ms: 0 }, 20), "apply 1/9, 0 s");
  assertEquals(progressLine({ what, ms: 61_000 }, 80), "apply / 61 s");
  assertEquals(progressLine({ what, count: { done: 0, of: 0 }, ms: 1_000 }, 80), "apply / 1 s");
});

Deno.test("no line of progress is as wide as the terminal, whatever is counted", () => {
  const count = fc.record({ done: fc.integer(), of: fc.integer() });
  fc.assert(
    fc.property(
      fc.option(count, { nil: undefined }),
      fc.nat(10_000_000),
      fc.integer({ min: 1, max: 300 }),
      (count, ms, width) => {
        const line = progressLine({ what: "reading the store", ms, ...count && { count } }, width);
        assert(line.length < width, line);
      },
    ),
    runs(1_000),
  );
});
