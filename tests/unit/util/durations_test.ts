import { assertEquals, assertThrows } from "@std/assert";
import { parseDuration } from "../../../lib/util/durations.ts";
import { Fault } from "../../../lib/util/errors.ts";

const good: readonly (readonly [string, number])[] = [
  ["0", 0],
  ["90", 90],
  ["1.5", 1.5],
  ["90s", 90],
  ["1h30m", 5_400],
  ["1h0m10.5s", 3_610.5],
  ["500ms", 0.5],
  [".5s", 0.5],
  ["2.s", 2],
  ["100us", 0.0001],
  ["100µs", 0.0001],
];

for (const [text, seconds] of good) {
  Deno.test(`parseDuration() reads "${text}" as ${seconds} seconds`, () => {
    assertEquals(parseDuration(text), seconds);
  });
}

for (const text of ["", "-5s", "5 s", "1d", "s", "1h 5m", "1e9", "Infinity", "NaN", "5s5", "5S"]) {
  Deno.test(`parseDuration() refuses "${text}"`, () => {
    assertEquals(assertThrows(() => parseDuration(text), Fault).code, "usage");
  });
}
