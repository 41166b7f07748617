// What is left of a file that cannot be written.

import { assertEquals, assertRejects } from "@std/assert";
import { writeNewFile } from "../../lib/cli/new_file.ts";
import { Fault } from "../../lib/util/errors.ts";

Deno.test("a new file has all its bytes, and what is in its place already stays", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const bytes = new Uint8Array(300_000).fill(7);
  await writeNewFile(`${dir}/a`, bytes, 0o600);
  assertEquals(await Deno.readFile(`${dir}/a`), bytes);
  await Deno.mkdir(`${dir}/empty`);
  const cases = [
    [`${dir}/a`, "is there already"],
    [`${dir}/empty`, "is there already"],
    [`${dir}/empty/`, "cannot be written"],
    [`${dir}/none/b`, "cannot be written"],
  ] as const;
  for (const [path, message] of cases) {
    await assertRejects(() => writeNewFile(path, new Uint8Array(1), 0o600), Fault, message);
  }
  const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  assertEquals(names.sort(), ["a", "empty"]);
});
