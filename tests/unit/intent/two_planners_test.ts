import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { planCommits, resolveChecks } from "../../../lib/intent/plan_commits.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import type { Change } from "../../../lib/intent/plan/desired_intent.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { brokenOnTheWay, brokenPromises } from "./check_store.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { runs } from "../cases.ts";

/** Applies a change, one commit a step; plans again where another client was faster. */
function* applyInSteps(store: IntentDatabase, change: Change): Generator<void> {
  const plan = () => {
    try {
      return planIntent(store.documents, change);
    } catch (error) {
      // What the other one did may stand against it: then it ends, all or nothing.
      if (error instanceof Fault) return undefined;
      throw error;
    }
  };
  for (let now = plan(); now && now.operations.length > 0; now = plan()) {
    yield;
    const revisions: number[] = [];
    try {
      for (const commit of planCommits(now, { groups: 2 })) {
        revisions.push(store.mustCommit(resolveChecks(commit, revisions), commit.writes));
        yield;
      }
    } catch (error) {
      if (!String(error).includes("conflict at")) throw error;
    }
  }
}

Deno.test("two planners that know nothing of each other break no promise, whichever is faster", () => {
  const mode = fc.constantFrom<Change["mode"]>("add", "replace", "delete");
  const change = fc.tuple(mode, anyIntent);
  fc.assert(
    fc.property(
      anyIntent,
      change,
      change,
      fc.infiniteStream(fc.boolean()),
      (base, one, two, turns) => {
        const store = new IntentDatabase();
        store.applyFile("replace", base);
        const planners = [one, two].map(([mode, text]) =>
          applyInSteps(store, { mode, intent: parseIntent(text).intent, force: true })
        );
        for (let step = 0; step < 400; step++) {
          const [first, second] = turns.next().value ? planners : planners.toReversed();
          if (first?.next().done && second?.next().done) break;
        }
        assertEquals(brokenOnTheWay(store.documents), []);
        // One may have ended between a subnet's move and its addresses'. That does not disturb other plans,
        // and goes with the next one that states all.
        store.applyFile("add", {});
        assertEquals(brokenOnTheWay(store.documents), []);
        store.applyFile("replace", base);
        assertEquals(brokenPromises(store.documents), []);
      },
    ),
    runs(200),
  );
});
