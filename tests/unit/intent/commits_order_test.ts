import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type PlanCommit, planCommits, resolveChecks } from "../../../lib/intent/plan_commits.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenOnTheWay, brokenPromises } from "./check_store.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { cases, runs } from "../cases.ts";

const changeOf = (text: string) => ({ mode: "replace", intent: parseIntent(text).intent }) as const;

/** Does `commits` in any order that they allow, as `choose` has it; at most `stopAfter` of them. */
function doInAnyOrder(
  store: IntentDatabase,
  commits: readonly PlanCommit[],
  { choose, stopAfter = Infinity }: {
    readonly choose: (count: number) => number;
    readonly stopAfter?: number;
  },
): void {
  const revisions: number[] = [];
  for (let done = 0; done < Math.min(commits.length, stopAfter); done++) {
    const ready = [...commits.entries()].filter(([at, { after }]) => {
      const before = after ?? Array.from({ length: at }, (_, n) => n);
      return revisions[at] === undefined && before.every((one) => revisions[one] !== undefined);
    });
    const [at, commit] = ready[choose(ready.length)]!;
    revisions[at] = store.mustCommit(resolveChecks(commit, revisions), commit.writes);
    assertEquals(brokenOnTheWay(store.documents), []);
  }
}

Deno.test("commits of a plan may be done in any order that `after` allows, and cut off anywhere", () => {
  const choices = fc.infiniteStream(fc.nat());
  let free = 0;
  fc.assert(
    fc.property(anyIntent, anyIntent, choices, fc.nat(30), (from, to, numbers, stopAfter) => {
      const store = new IntentDatabase();
      store.applyFile("replace", from);
      const change = changeOf(to);
      const choose = (count: number) => {
        if (count > 1) free++;
        return (numbers.next().value ?? 0) % count;
      };
      try {
        const commits = [...planCommits(planIntent(store.documents, change), { groups: 1 })];
        doInAnyOrder(store, commits, { choose, stopAfter });
      } catch (error) {
        if (error instanceof Fault && error.code === "exhausted") return;
        throw error;
      }
      const rest = [...planCommits(planIntent(store.documents, change), { groups: 1 })];
      doInAnyOrder(store, rest, { choose });
      assertEquals(brokenPromises(store.documents), []);
      assertEquals(planIntent(store.documents, change).operations, []);
    }),
    runs(300),
  );
  assert(free > cases(300), `there was a choice ${free} times`);
});

Deno.test("planCommits() lets the endpoints of different networks go side by side", () => {
  const endpoints = Array.from({ length: 60 }, (_, n) => `c${n}`);
  const nets = Array.from({ length: 8 }, (_, n) => network(`n${n}`, endpoints));
  const plan = planIntent(new Map(), changeOf(JSON.stringify(vlanTenant(nets))));
  const commits = [...planCommits(plan)];
  const first = commits.findIndex(({ objects }) => objects.some((one) => one.startsWith("endp")));
  const chain = (at: number): number =>
    1 + Math.max(0, ...(commits[at]?.after ?? []).filter((one) => one >= first).map(chain));
  const longest = Math.max(...commits.keys().drop(first).map(chain));
  assert(commits.length >= 20, `${commits.length} commits`);
  assert(longest <= 4, `${longest} of ${commits.length} commits wait for each other`);
});
