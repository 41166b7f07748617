// A database in memory on which plans of the intent are applied.

import { planCommits, resolveChecks } from "../../../lib/intent/plan_commits.ts";
import type { CommitLimits } from "../../../lib/intent/plan/commit_batches.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import type { Plan, PlanCheck, PlanWrite } from "../../../lib/intent/plan/operation.ts";
import type { Change } from "../../../lib/intent/plan/desired_intent.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { MemoryDatabase } from "../../memory/memory_database.ts";

/** Documents with revisions, and plans applied to them. */
export class IntentDatabase extends MemoryDatabase {
  /** Applies one commit and returns its revision; throws where a check does not hold. */
  mustCommit(checks: readonly PlanCheck[], writes: readonly PlanWrite[]): number {
    if (new Set(checks.map(({ key }) => key)).size < checks.length) {
      throw new Error("checked twice");
    }
    const result = this.commit(checks, writes);
    if (result.done) return result.revision;
    throw new Error(`conflict at ${result.conflict}`);
  }

  /** Applies the commits of `plan`, at most `stopAfter` of them; returns how many there are. */
  apply(
    plan: Plan,
    { limits = {}, stopAfter = Infinity, after }: {
      readonly limits?: CommitLimits;
      readonly stopAfter?: number;
      readonly after?: () => void;
    } = {},
  ): number {
    const commits = [...planCommits(plan, limits)];
    const revisions: number[] = [];
    for (const commit of commits.slice(0, stopAfter)) {
      revisions.push(this.mustCommit(resolveChecks(commit, revisions), commit.writes));
      after?.();
    }
    return commits.length;
  }

  /** Plans and applies a file; returns the plan. */
  applyFile(mode: Change["mode"], file: unknown, options: { readonly force?: boolean } = {}): Plan {
    const text = typeof file === "string" ? file : JSON.stringify(file);
    const plan = planIntent(this.documents, { mode, intent: parseIntent(text).intent, ...options });
    this.apply(plan);
    return plan;
  }
}
