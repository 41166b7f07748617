// What commands with --store say of their work.

import { assertEquals } from "@std/assert";
import { storeTarget } from "../../lib/cli/agent_or_store.ts";
import type { LongWork, WorkWords } from "../../lib/cli/long_work.ts";

Deno.test("an interrupt of a dry run leaves nothing, and that of a repair what was released", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const said: WorkWords[] = [];
  const long: LongWork = {
    run: (words, work) => {
      said.push(words);
      return work();
    },
    runToStop: (_words, work) => work({ signal: new AbortController().signal }),
  };
  const { repair } = await storeTarget(`sqlite:${dir}/store.db`, {}, { stack, long });
  await repair({ dryRun: true });
  await repair({});
  assertEquals(said.slice(1).map(({ what, left }) => [what, left]), [
    ["repair", undefined],
    ["repair", "what was released stays released; run it again to go on"],
  ]);
});
