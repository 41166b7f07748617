// `store`: one store by several names.

import { assertRejects } from "@std/assert";
import { store } from "../../lib/cli/store_command.ts";
import { openStore } from "../../lib/store/open_store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { fakeShell } from "../unit/cli/fake_shell.ts";

/** Runs the command with --force. */
const forced = async (...words: string[]) => await store.run(fakeShell(words, {}, { force: true }));

Deno.test("store refuses one store by two names", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await (await openStore(`sqlite:${dir}/a.db`)).close();
  await Deno.symlink(dir, `${dir}/link`);
  const relative = `${"../".repeat(Deno.cwd().split("/").length)}${dir.slice(1)}/a.db`;
  for (const other of [`${dir}/a.db`, `//${dir}/a.db`, `${dir}/link/a.db`, relative]) {
    for (
      const words of [["backup", `sqlite:${other}`, `${dir}/a.db`], [
        "copy",
        `sqlite:${other}`,
        `sqlite:${dir}/a.db`,
      ]]
    ) {
      await assertRejects(() => forced(...words), Fault, "both stores are the same");
    }
  }
  await assertRejects(
    () => forced("copy", `sqlite:${dir}/link/b.db`, `sqlite:${dir}/b.db`),
    Fault,
    "both stores are the same",
  );
});
