// Sandbox ids in a table: 12 digits, or as many as keep them apart.

import { assertEquals } from "@std/assert";
import { shortSandbox, withSandboxesApart } from "../../../lib/cli/sandbox_column.ts";

function shown(...sandboxes: string[]): string[] {
  const items = sandboxes.map((sandbox) => ({ sandbox }));
  const [[, cell] = ["", () => ""]] = withSandboxesApart([["SANDBOX", shortSandbox]], items);
  return items.map(cell);
}

Deno.test("a sandbox id has 12 digits", () => {
  assertEquals(shown(), []);
  assertEquals(shown("0123456789abcdef", "fedcba987654"), ["0123456789ab", "fedcba987654"]);
  assertEquals(shown("0123456789abcdef", "0123456789abcdef"), ["0123456789ab", "0123456789ab"]);
});

Deno.test("ids that begin alike have as many digits as keep them apart", () => {
  assertEquals(shown("aaaaaaaaaaaa0002", "bb", "aaaaaaaaaaaa0001"), [
    ...["aaaaaaaaaaaa0002", "bb", "aaaaaaaaaaaa0001"],
  ]);
  assertEquals(shown("aaaaaaaaaaaa12ff", "aaaaaaaaaaaa2fff"), ["aaaaaaaaaaaa1", "aaaaaaaaaaaa2"]);
  assertEquals(shown("aaaaaaaaaaaa", "aaaaaaaaaaaa2f"), ["aaaaaaaaaaaa", "aaaaaaaaaaaa2"]);
});
