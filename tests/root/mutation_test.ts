// Unit tests must be able to fail: each deliberate fault of tests/mutation/mutants.ts has to be noticed by
// one of the tests that it names. Needs no root: "deno task mutate" runs this alone.

import { assert, assertEquals } from "@std/assert";
import { type Mutant, mutants } from "../mutation/mutants.ts";
import { MutationCopy, type Result } from "../mutation/run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

Deno.test("each fault in pure code is noticed by a unit test", async (test) => {
  const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
  const queue = mutants.values();
  const results = new Map<Mutant, Result>();
  const started = performance.now();
  await using first = await MutationCopy.make(HOUSE);
  assertEquals(await first.unchanged(tests), undefined, "the tests fail without any fault");
  const unchangedMs = performance.now() - started;
  const lane = async () => {
    await using copy = await MutationCopy.make(HOUSE, unchangedMs);
    for (const mutant of queue) results.set(mutant, await copy.try(mutant));
  };
  // Two at once: the start of a test uses little more than one core.
  await Promise.all([lane(), lane()]);
  for (const mutant of mutants) {
    await test.step(`${mutant.file}: ${mutant.fault}`, () => {
      assertEquals(results.get(mutant), "caught");
    });
  }
  const caught = [...results.values()].filter((result) => result === "caught").length;
  console.log(`${caught} of ${mutants.length} mutants caught`);
  assert(mutants.length >= 40, "at least 40 mutants");
});
