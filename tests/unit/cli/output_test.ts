// What all commands print with -o json and -o yaml.

import { assertEquals } from "@std/assert";
import { load } from "js-yaml";
import { printValue } from "../../../lib/cli/output.ts";
import { fakeShell } from "./fake_shell.ts";

async function printed(format: "table" | "json" | "yaml" | "name", value: unknown) {
  const shell = fakeShell([], {}, { format });
  return { isPrinted: await printValue(shell, value), lines: shell.stdout };
}

Deno.test("printValue() prints as JSON and YAML, and leaves other formats to the command", async () => {
  const value = { name: "web", more: undefined, list: [{ a: 1 }], none: [], empty: null };
  assertEquals(await printed("table", value), { isPrinted: false, lines: [] });
  assertEquals(await printed("name", value), { isPrinted: false, lines: [] });
  const { lines } = await printed("json", [1]);
  assertEquals(lines, ["[", "  1", "]"]);
  assertEquals((await printed("yaml", value)).lines, [
    "name: web",
    "list:",
    "  - a: 1",
    "none: []",
    "empty: null",
  ]);
});

Deno.test("no text in YAML is read as something else, also by readers of YAML 1.1", async () => {
  const odd = ["no", "on", "y", "null", "~", "", "0123", "1e5", "123456789012", "1234567890e1"];
  const texts = [...odd, "02:02:10:09:00:01", "2026-01-01", "a: b", "# x", "a\nb", "- a", "<<"];
  const { lines } = await printed("yaml", texts);
  assertEquals(load(lines.join("\n")), texts);
  for (const line of lines.slice(0, odd.length + 2)) {
    assertEquals(/^- '.*'$/.test(line), true, line);
  }
});

Deno.test("the same object twice is printed twice, without an anchor", async () => {
  const one = { a: 1 };
  assertEquals((await printed("yaml", [one, one])).lines, ["- a: 1", "- a: 1"]);
});
