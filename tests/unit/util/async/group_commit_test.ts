import { assertEquals, assertRejects } from "@std/assert";
import { GroupCommit } from "../../../../lib/util/async/group_commit.ts";
import { Fault } from "../../../../lib/util/errors.ts";

/** Commits that refuse a group with `bad` in it. */
function start() {
  const commits: string[][] = [];
  const batch = new GroupCommit<string, number>((jobs) => {
    commits.push([...jobs]);
    if (jobs.includes("down")) return Promise.reject(new Fault("unavailable", "down"));
    if (jobs.includes("bad")) return Promise.reject(new Fault("conflict", "bad"));
    return Promise.resolve(commits.length);
  });
  return { commits, batch };
}

Deno.test("submit() puts jobs of one turn into one commit, and later ones into the next", async () => {
  const { commits, batch } = start();
  const first = [batch.submit("a"), batch.submit("b")];
  await Promise.resolve();
  const later = [batch.submit("c"), batch.submit("d")];
  assertEquals(await Promise.all([...first, ...later]), [1, 1, 2, 2]);
  assertEquals(commits, [["a", "b"], ["c", "d"]]);
});

Deno.test("submit() retries a refused group job by job: only the bad one gets the Fault", async () => {
  const { commits, batch } = start();
  const all = [batch.submit("a"), batch.submit("bad"), batch.submit("b")];
  await assertRejects(() => all[1]!, Fault, "bad");
  assertEquals([await all[0], await all[2]], [2, 4]);
  assertEquals(commits, [["a", "bad", "b"], ["a"], ["bad"], ["b"]]);
});

Deno.test("submit() does not repeat a group that failed because nothing answers", async () => {
  const { commits, batch } = start();
  const all = [batch.submit("a"), batch.submit("down")];
  for (const one of all) await assertRejects(() => one, Fault, "down");
  assertEquals(commits, [["a", "down"]]);
});

Deno.test("submit() commits at most 500 jobs at once", async () => {
  const { commits, batch } = start();
  await Promise.all(Array.from({ length: 501 }, (_, at) => batch.submit(`${at}`)));
  assertEquals(commits.map(({ length }) => length), [500, 1]);
});
