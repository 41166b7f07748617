import { assertEquals, assertThrows } from "@std/assert";
import { Fault } from "../../../lib/util/errors.ts";
import {
  plainBooleans,
  readBoolean,
  readChoice,
  readSeconds,
} from "../../../lib/util/read_settings.ts";

const TRUE = [
  "1",
  "t",
  "T",
  "true",
  "True",
  "TRUE",
  "y",
  "yes",
  "Yes",
  "on",
  "On",
  " yes ",
  "ON\n",
];
const FALSE = ["0", "f", "F", "false", "False", "FALSE", "n", "no", "No", "off", "OFF"];

Deno.test("a boolean is what Go's and systemd's tools take for one", () => {
  for (const text of TRUE) assertEquals(readBoolean("x", text), true, text);
  for (const text of FALSE) assertEquals(readBoolean("x", text), false, text);
});

for (const text of ["maybe", "", "2", "-1", "truee", "null", "ja", "enabled", "toString"]) {
  Deno.test(`"${text}" is refused as a boolean, with the setting's name`, () => {
    const fault = assertThrows(() => readBoolean("--log-drops", text), Fault);
    assertEquals([fault.code, fault.what], [
      "usage",
      `--log-drops "${text}" is neither true nor false`,
    ]);
  });
}

const durations: readonly (readonly [string, number])[] = [
  ["0", 0],
  ["90", 90],
  ["1.5", 1.5],
  [".5", 0.5],
  ["1e3", 1_000],
  [" 90\n", 90],
  ["+5s", 5],
  ["90s", 90],
  ["1m", 60],
  ["1h30m", 5_400],
  ["500ms", 0.5],
  ["100µs", 0.0001],
  ["100μs", 0.0001],
  ["1min 30s", 90],
  ["1min30s", 90],
  ["5 min", 300],
  ["2 minutes 5 seconds", 125],
  ["1hr", 3_600],
  ["2hours", 7_200],
  ["0.5d", 43_200],
  ["200 msec", 0.2],
];

for (const [text, seconds] of durations) {
  Deno.test(`"${text}" is a setting of ${seconds} seconds`, () => {
    assertEquals(readSeconds("x", text, { most: 86_399 }), seconds);
  });
}

const badDurations = [
  ...["", "abc", "1x", "s", "1m 30", "5s5", "-5", "-5s", "infinity", "Infinity", "NaN", "1.2.3"],
  ...["0x10", "1,5", "1M", "e5", ".", "1e", "constructor", "1toString"],
];
for (const text of badDurations) {
  Deno.test(`"${text}" is refused as a duration, with the setting's name`, () => {
    const fault = assertThrows(() => readSeconds("--grace", text, { most: 86_399 }), Fault);
    assertEquals([fault.code, fault.what], ["usage", `--grace "${text}" is not a valid duration`]);
  });
}

for (const text of ["1d", "86400", "24h"]) {
  Deno.test(`a duration of ${text} is out of range, which is named`, () => {
    const fault = assertThrows(() => readSeconds("--grace", text, { most: 86_399 }), Fault);
    assertEquals(fault.what, `--grace "${text}" is out of range (0-86399 s)`);
  });
}

Deno.test("a choice is read in any case of letters, and another word is refused", () => {
  const levels = ["error", "warn", "info", "debug"];
  assertEquals(readChoice("x", "DEBUG", levels), "debug");
  assertEquals(readChoice("x", " Warn ", levels), "warn");
  const fault = assertThrows(() => readChoice("--log-level", "verbose", levels), Fault);
  assertEquals(
    fault.message,
    '--log-level "verbose" is not valid; use one of error, warn, info, debug',
  );
});

Deno.test("--prune=no does not prune, and --prune=perhaps is refused", () => {
  const names = ["prune", "dry-run"];
  const args = ["apply", "--prune=no", "--dry-run=On", "--prune", "-f", "--tcp=no", "prune=no"];
  assertEquals(plainBooleans(args, names), [
    ...["apply", "--prune=false", "--dry-run=true", "--prune", "-f", "--tcp=no", "prune=no"],
  ]);
  assertThrows(
    () => plainBooleans(["--prune=perhaps"], names),
    Fault,
    '--prune "perhaps" is neither',
  );
});
