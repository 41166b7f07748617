// What `apply` and `delete` say of running pods that they detach.

import { assertEquals } from "@std/assert";
import type { PlanAnswer } from "../../../lib/agent/api/intent_requests.ts";
import { showChanges } from "../../../lib/cli/show_changes.ts";
import { fakeShell } from "./fake_shell.ts";

const ANSWER: PlanAnswer = {
  operations: [{ verb: "delete", kind: "endpoint", name: "t/blue/a", lines: [] }],
  ...{ warnings: [], revision: 2 },
};

async function said(more: Partial<PlanAnswer>, done: string): Promise<string[]> {
  const shell = fakeShell([], {});
  await showChanges(shell, { ...ANSWER, ...more }, done);
  return shell.stderr;
}

const AGAIN = "one again when an endpoint or network of the intent selects";

Deno.test("an apply warns of how many running pods it has detached, a plan of how many it would", async () => {
  assertEquals(await said({}, "changed"), ["changed: 1 object, revision 2"]);
  assertEquals(await said({ detached: 1 }, "changed"), [
    `warning: 1 running pod lost its interface; it gets ${AGAIN} it`,
    "changed: 1 object, revision 2",
  ]);
  assertEquals(
    (await said({ detached: 3 }, "would change"))[0],
    `warning: 3 running pods would lose their interface; they get ${AGAIN} them`,
  );
});

Deno.test("JSON has how many were detached", async () => {
  const shell = fakeShell([], {}, { format: "json" });
  await showChanges(shell, { ...ANSWER, detached: 2 }, "changed");
  assertEquals(JSON.parse(shell.stdout.join("\n")).detached, 2);
});
