// A store in memory that keeps what real ones promise: checks at revisions, all or nothing, limits.

import { planCommits, resolveChecks } from "../../../lib/intent/plan_commits.ts";
import type { CommitLimits } from "../../../lib/intent/plan/commit_batches.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import type { Json, Plan, PlanCheck, PlanWrite } from "../../../lib/intent/plan/operation.ts";
import type { Change } from "../../../lib/intent/plan/desired_intent.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { checkCommitLimits } from "../../../lib/store/store.ts";

/** Documents with revisions, and commits on them. */
export class MemoryStore {
  readonly documents = new Map<string, { readonly value: unknown; readonly revision: number }>();
  #revision = 0;

  /** Writes documents from outside, as an agent would. */
  put(documents: Readonly<Record<string, unknown>>): void {
    this.#revision++;
    for (const [key, value] of Object.entries(documents)) {
      this.documents.set(key, { value, revision: this.#revision });
    }
  }

  /** Does one commit and gives its revision; throws where a check does not hold. */
  commit(checks: readonly PlanCheck[], writes: readonly PlanWrite[]): number {
    checkCommitLimits(checks, writes);
    if (new Set(checks.map(({ key }) => key)).size < checks.length) {
      throw new Error("checked twice");
    }
    for (const { key, revision } of checks) {
      const now = this.documents.get(key)?.revision ?? 0;
      if (now !== revision) throw new Error(`conflict at ${key}: ${now} is not ${revision}`);
    }
    this.#revision++;
    for (const { key, value } of writes) {
      if (value === undefined) this.documents.delete(key);
      else this.documents.set(key, { value: roundTrip(value), revision: this.#revision });
    }
    return this.#revision;
  }

  /** Does the commits of `plan`, at most `stopAfter` of them; gives how many there are. */
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
      revisions.push(this.commit(resolveChecks(commit, revisions), commit.writes));
      after?.();
    }
    return commits.length;
  }

  /** Plans and applies a file; gives the plan. */
  wish(mode: Change["mode"], file: unknown, options: { readonly force?: boolean } = {}): Plan {
    const text = typeof file === "string" ? file : JSON.stringify(file);
    const plan = planIntent(this.documents, { mode, intent: parseIntent(text).intent, ...options });
    this.apply(plan);
    return plan;
  }

  /** Returns the document at `key`. */
  get(key: string): Readonly<Record<string, unknown>> | undefined {
    return this.documents.get(key)?.value as Readonly<Record<string, unknown>> | undefined;
  }

  /** Returns the keys below `prefix`, sorted. */
  keysBelow(prefix: string): string[] {
    return [...this.documents.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}

function roundTrip(value: Json): Json {
  return JSON.parse(JSON.stringify(value));
}
