// Splits a plan into commits that a store accepts: within the limits, never inside a group. A key that a later
// commit checks may have been written by an earlier one of the same plan; its revision is known only
// when that one is done, so such a check names the commit, and resolveChecks() fills in the revision:
//
//   const revisions: number[] = [];
//   for (const commit of planCommits(plan)) {
//     const result = await store.commit(resolveChecks(commit, revisions), commit.writes);
//     if (!result.done) break; // another client was faster: plan again
//     revisions.push(result.revision);
//   }
//
// Commits that do not depend on each other may run in parallel: each names those that it waits for. Most
// commits are endpoints', which depend on each other only by keys. For all others the order counts.

import { Fault } from "../util/errors.ts";
import { checksOf, commitBatches, type CommitLimits } from "./plan/commit_batches.ts";
import type { Operation, Plan, PlanCheck, PlanWrite } from "./plan/operation.ts";
import { SCHEMA } from "./records.ts";

/** A check as the plan saw it, or "as commit number `writtenBy` of this plan left it". */
export type CommitCheck = PlanCheck | { readonly key: string; readonly writtenBy: number };

/** One commit of a plan. */
export interface PlanCommit {
  /** `kind name` of what it changes. */
  readonly objects: readonly string[];
  /** Numbers of the commits that must be done before this one; undefined: all before it. */
  readonly after: readonly number[] | undefined;
  readonly checks: readonly CommitCheck[];
  readonly writes: readonly PlanWrite[];
}

/** All commits of a plan, each made only when iterated: together they may be large. */
export interface PlanCommits extends Iterable<PlanCommit> {
  readonly length: number;
}

/**
 * Returns the commits of `plan`, to be done one after the other, or each as soon as those are done that
 * it comes `after`. Each leaves a store that can be planned again. Faults: usage, before the first one, where a group does not fit into a commit.
 */
export function planCommits(
  plan: Plan,
  { operations = 90, bytes = 480 * 1024, groups = Infinity }: CommitLimits = {},
): PlanCommits {
  const batches = commitBatches(plan, { operations, bytes, groups });
  return { length: batches.length, [Symbol.iterator]: () => commitsOf(plan, batches) };
}

/** Returns the checks of `commit`, given the revisions that the plan's earlier commits got. */
export function resolveChecks(
  { checks }: PlanCommit,
  revisions: readonly number[],
): PlanCheck[] {
  return checks.map((check) => {
    if ("revision" in check) return check;
    const revision = revisions[check.writtenBy];
    if (revision !== undefined) return { key: check.key, revision };
    throw new Fault("failed", `commit ${check.writtenBy} of the plan was not done`, {
      why: `${check.key} depends on it`,
      fix: "plan again",
    });
  });
}

type Lists = Map<string, Map<string, string>>;

function* commitsOf(
  plan: Plan,
  batches: readonly (readonly Operation[])[],
): Generator<PlanCommit, undefined> {
  const lists = listsOf(plan);
  const lastWrites = new Map<string, { readonly commit: number; readonly isDeleted: boolean }>();
  const order = new Order();
  for (const [commit, operations] of batches.entries()) {
    const checks = new Map<string, CommitCheck>();
    const writes = new Map<string, PlanWrite>();
    for (const operation of operations) {
      for (const check of checksOf(operation)) {
        const last = lastWrites.get(check.key);
        checks.set(check.key, last ? checkOf(check.key, last) : check);
      }
      for (const write of operation.writes) writes.set(write.key, write);
      for (const write of editLists(lists, operation)) writes.set(write.key, write);
    }
    for (const { key, value } of writes.values()) {
      lastWrites.set(key, { commit, isDeleted: value === undefined });
    }
    const isParallel = operations.every(({ kind }) => kind === "endpoint");
    const after = order.place(commit, [...checks.keys()], [...writes.keys()]);
    if (!isParallel) order.close(commit);
    yield {
      objects: operations.map(({ kind, name }) => `${kind} ${name}`),
      after: isParallel ? after : undefined,
      checks: [...checks.values()],
      writes: [...writes.values()],
    };
  }
}

/** Which commits have to wait for which: those with a common key that one of them writes. */
class Order {
  readonly #writer = new Map<string, number>();
  /** Commits that have checked a key since it was written. */
  readonly #checkers = new Map<string, number[]>();
  #closed: number | undefined;

  /** Adds `commit`; returns the earlier commits that it waits for. */
  place(commit: number, checks: readonly string[], writes: readonly string[]): number[] {
    const after = new Set(this.#closed === undefined ? [] : [this.#closed]);
    for (const key of [...checks, ...writes]) {
      const writer = this.#writer.get(key);
      if (writer !== undefined) after.add(writer);
    }
    for (const key of writes) {
      for (const checker of this.#checkers.get(key) ?? []) after.add(checker);
      this.#checkers.delete(key);
      this.#writer.set(key, commit);
    }
    for (const key of checks) {
      if (this.#writer.get(key) === commit) continue;
      const checkers = this.#checkers.get(key);
      if (checkers) checkers.push(commit);
      else this.#checkers.set(key, [commit]);
    }
    return [...after];
  }

  /** Makes all later commits wait for `commit`, and with it for all before. */
  close(commit: number): void {
    this.#closed = commit;
    this.#writer.clear();
    this.#checkers.clear();
  }
}

function checkOf(
  key: string,
  { commit, isDeleted }: { readonly commit: number; readonly isDeleted: boolean },
): CommitCheck {
  return isDeleted ? { key, revision: 0 } : { key, writtenBy: commit };
}

function listsOf({ subnetLists }: Plan): Lists {
  return new Map(
    [...subnetLists].map(([list, networks]) => [list, new Map(Object.entries(networks))]),
  );
}

/** Changes the lists of subnets and returns their writes; an empty list is deleted. */
function editLists(lists: Lists, { subnets = [] }: Operation): PlanWrite[] {
  return subnets.map(({ list: key, drop, add, network }) => {
    const list = lists.get(key) ?? new Map<string, string>();
    lists.set(key, list);
    if (drop !== undefined && list.get(drop) === network) list.delete(drop);
    if (add !== undefined) list.set(add, network);
    const value = { schema: SCHEMA, networks: Object.fromEntries(list) };
    return { key, value: list.size > 0 ? value : undefined };
  });
}
