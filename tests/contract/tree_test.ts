// What holds for the tree as a whole: base names, imports, contexts, words.

import { assertEquals } from "@std/assert";
import { CHECKS, readTree } from "../../.ci/tree.ts";

for (const [name, check] of CHECKS) {
  Deno.test(`tree: ${name}`, async () => assertEquals(check(await readTree()), []));
}
