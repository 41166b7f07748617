// Options that a command does not take are refused: --dry-run that is ignored would do it.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseCommandLine, refuseOthers } from "../../../lib/cli/command_line.ts";
import { commandNamed, COMMANDS } from "../../../lib/cli/command_table.ts";
import { COMMON, OPTIONS } from "../../../lib/cli/option_table.ts";
import { Fault } from "../../../lib/util/errors.ts";

const refuse = (name: string, ...words: string[]) =>
  refuseOthers(parseCommandLine(words), name, COMMANDS[name]!);

Deno.test("the options that were given are known, whatever they are", () => {
  const given = (...words: string[]) => parseCommandLine(words).given;
  assertEquals(given("a", "b"), []);
  assertEquals(given("-f", "x", "--no-color", "-q", "-o", "json"), [
    ...["file", "output", "quiet", "color"] as const,
  ]);
  assertEquals(given("--dry-run=no", "--host", ""), ["host"]);
  assertEquals(given("--", "--dry-run"), []);
});

Deno.test("what all objects have is not a command", () => {
  assertEquals(commandNamed("get"), COMMANDS.get);
  for (const name of ["constructor", "toString", "__proto__", ""]) {
    assertEquals(commandNamed(name), undefined);
  }
});

Deno.test("an option of another command is refused, and those of all commands are not", () => {
  for (
    const [name, ...words] of [
      ["bind", "p", "h", "--dry-run"],
      ["edit", "--dry-run"],
      ["get", "pods", "--count", "3"],
      ["plan", "--to", "1", "--yes"],
      ["status", "-A"],
      ["history", "--prune"],
    ]
  ) {
    assertThrows(() => refuse(name!, ...words), Fault, `${name} has no --`);
  }
  const all = ["--store", "x", "--etcd-ca", "f", "-q", "--no-color", "--socket", "s", "-o", "json"];
  for (const name of Object.keys(COMMANDS)) refuse(name, ...all);
});

Deno.test("each command takes the options that its help names", async () => {
  for (const [name, { options, load }] of Object.entries(COMMANDS)) {
    const { usage } = await load();
    const words = usage.split("\n").filter((line) => !/^ *e\.g\. /.test(line)).join(" ");
    const named = OPTIONS.filter((one) =>
      new RegExp(`(^|[\\s[])--${one.name}\\b(?!-)`).test(words) ||
      ("short" in one && new RegExp(`(^|[\\s[])-${one.short}\\b(?!-)`).test(words))
    ).map((one) => one.name);
    const taken: readonly string[] = [...options, ...COMMON, "etcd-ca"];
    assertEquals(named.filter((one) => !taken.includes(one)), [], name);
  }
});

Deno.test("a format that there is not is refused with what the command takes", () => {
  const fixOf = (formats?: string) =>
    assertThrows(() => parseCommandLine(["-o", "text"], formats), Fault).fix;
  assertEquals(fixOf(), "use table, wide, json, yaml, name or custom-columns=HEAD:FIELD");
  const { formats } = COMMANDS.capture!;
  assertEquals(fixOf(formats), formats);
  assert(formats?.includes("text on a terminal"), formats);
});
