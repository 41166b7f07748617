import { assertEquals, assertRejects } from "@std/assert";
import { commitAll } from "../../../../lib/agent/store/parallel_commits.ts";
import type { PlanCommit } from "../../../../lib/intent/plan_commits.ts";
import type { CommitResult } from "../../../../lib/store/store.ts";

const commits = (...after: (readonly number[] | undefined)[]): PlanCommit[] =>
  after.map((one, at) => ({ objects: [`${at}`], after: one, checks: [], writes: [] }));

/** Commits that end when the test says so; records their starts and ends, in order. */
function recorder() {
  const seen: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<CommitResult>>();
  const tryOne = async ({ objects: [name = ""] }: PlanCommit): Promise<CommitResult> => {
    seen.push(`+${name}`);
    const gate = Promise.withResolvers<CommitResult>();
    gates.set(name, gate);
    try {
      return await gate.promise;
    } finally {
      seen.push(`-${name}`);
    }
  };
  const settle = () => new Promise((done) => setTimeout(done));
  const end = async (name: string, result: CommitResult | Error = { done: true, revision: 1 }) => {
    await settle();
    if (result instanceof Error) gates.get(name)?.reject(result);
    else gates.get(name)?.resolve(result);
    await settle();
  };
  return { seen, tryOne, end };
}

Deno.test("commitAll() runs the first commit alone, the others in parallel, and the last alone", async () => {
  const { seen, tryOne, end } = recorder();
  const all = commitAll(commits([], [], [], [1], []), tryOne);
  await end("0");
  assertEquals(seen.splice(0), ["+0", "-0", "+1", "+2"]);
  await end("2");
  await end("1");
  assertEquals(seen.splice(0), ["-2", "-1", "+3"]);
  await end("3");
  await end("4");
  assertEquals(seen, ["-3", "+4", "-4"]);
  assertEquals(await all, undefined);
});

Deno.test("commitAll() runs a commit that depends on all others alone", async () => {
  const { seen, tryOne, end } = recorder();
  const all = commitAll(commits([], [], undefined, [2], []), tryOne);
  await end("0");
  assertEquals(seen.splice(0), ["+0", "-0", "+1"]);
  await end("1");
  assertEquals(seen.splice(0), ["-1", "+2"]);
  for (const name of ["2", "3", "4"]) await end(name);
  assertEquals(await all, undefined);
});

Deno.test("commitAll() starts nothing after a conflict, and waits for the commits in progress", async () => {
  const { seen, tryOne, end } = recorder();
  const all = commitAll(commits([], [], [], [1], []), tryOne);
  await end("0");
  await end("1", { done: false, conflict: "x" });
  let isOver = false;
  all.then(() => isOver = true);
  await end("3");
  assertEquals([isOver, seen.splice(0)], [false, ["+0", "-0", "+1", "+2", "-1"]]);
  await end("2");
  assertEquals(await all, "x");
  assertEquals(seen, ["-2"]);
});

Deno.test("commitAll() throws the first error after the commits in progress have ended", async () => {
  const { seen, tryOne, end } = recorder();
  const all = commitAll(commits([], [], [], []), tryOne);
  all.catch(() => {});
  await end("0");
  await end("2", new Error("unreachable"));
  await end("1");
  await assertRejects(() => all, Error, "unreachable");
  assertEquals(seen, ["+0", "-0", "+1", "+2", "-2", "-1"]);
});
