// The overview of all commands: each with its summary, in columns.

import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { overview } from "../../../lib/cli/overview.ts";

Deno.test("summaries of all commands begin in one column, behind a blank", () => {
  const lines = overview(Infinity).split("\n");
  for (const [name, { takes, summary }] of Object.entries(COMMANDS)) {
    const line = lines.find((one) => one.startsWith(`  ${`${name} ${takes}`.trim()} `));
    assert(line, name);
    assertEquals(line.indexOf(summary), 36, line);
  }
});
