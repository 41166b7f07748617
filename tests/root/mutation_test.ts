// Unit tests must be able to fail: each deliberate fault of tests/mutation/mutants.ts has to be noticed by
// one of the tests that it names. Needs no root: "deno task mutate" runs this alone.

import { assert, assertEquals } from "@std/assert";
import { mutants } from "../mutation/mutants.ts";
import { MutationCopy } from "../mutation/run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

Deno.test("each fault in pure code is noticed by a unit test", async (test) => {
  await using copy = await MutationCopy.make(HOUSE);
  const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
  assertEquals(await copy.unchanged(tests), undefined, "the tests fail without any fault");
  let caught = 0;
  for (const mutant of mutants) {
    await test.step(`${mutant.file}: ${mutant.fault}`, async () => {
      assertEquals(await copy.try(mutant), "caught");
      caught++;
    });
  }
  console.log(`${caught} of ${mutants.length} mutants caught`);
  assert(mutants.length >= 40, "at least 40 mutants");
});
