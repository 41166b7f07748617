// `kube manifest --settings`.

import { assertMatch, assertRejects } from "@std/assert";
import { kube } from "../../lib/cli/kube.ts";
import { Fault } from "../../lib/util/errors.ts";
import { fakeShell } from "../unit/cli/fake_shell.ts";

async function manifest(settings: string): Promise<string> {
  const shell = fakeShell(["manifest"], {}, { settings });
  await kube.run(shell);
  return shell.stdout.join("\n");
}

Deno.test("settings are flags of the agent that the manifest does not set itself", async () => {
  const path = await Deno.makeTempFile();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(path));
  const cases = [
    [{ "listen-adress": "x" }, '"listen-adress" is not a flag of the agent'],
    [{ heartbeet: 5 }, "did you mean heartbeat?"],
    [{ toString: 5 }, '"toString" is not a flag'],
    [{ socket: "/x" }, '"socket" is what the manifest sets itself'],
  ] as const;
  for (const [settings, message] of cases) {
    await Deno.writeTextFile(path, JSON.stringify(settings));
    await assertRejects(() => manifest(path), Fault, message);
  }
  await Deno.writeTextFile(path, JSON.stringify({ heartbeat: 5 }));
  assertMatch(await manifest(path), /"heartbeat": ?5/);
});
