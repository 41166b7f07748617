// Cuts a plan into commits that a store takes: within the limits, never inside a group. What a later
// commit checks may have been written by an earlier one of the same plan; its revision is only known
// when that one is done, so such a check names the commit, and resolveChecks() fills the number in:
//
//   const revisions: number[] = [];
//   for (const commit of planCommits(plan)) {
//     const result = await store.commit(resolveChecks(commit, revisions), commit.writes);
//     if (!result.done) break; // somebody else was faster: plan again
//     revisions.push(result.revision);
//   }

import { Fault } from "../util/errors.ts";
import { checksOf, type CommitLimits, cut } from "./plan/cut.ts";
import type { Operation, Plan, PlanCheck, PlanWrite } from "./plan/operation.ts";
import { keys, SCHEMA } from "./records.ts";

/** A check as the plan saw it, or "as commit number `writtenBy` of this plan left it". */
export type CommitCheck = PlanCheck | { readonly key: string; readonly writtenBy: number };

/** One commit of a plan. */
export interface PlanCommit {
  /** `kind name` of what it changes. */
  readonly objects: readonly string[];
  readonly checks: readonly CommitCheck[];
  readonly writes: readonly PlanWrite[];
}

/** All commits of a plan. Each is made when it is asked for: together they may be large. */
export interface PlanCommits extends Iterable<PlanCommit> {
  readonly length: number;
}

/**
 * Gives the commits of `plan`, to be done one after the other. Each leaves a store that can be
 * planned again. Faults: usage, before the first one, where a group does not fit into a commit.
 */
export function planCommits(
  plan: Plan,
  { operations = 90, bytes = 480 * 1024, groups = Infinity }: CommitLimits = {},
): PlanCommits {
  const cuts = cut(plan, { operations, bytes, groups });
  return { length: cuts.length, [Symbol.iterator]: () => commitsOf(plan, cuts) };
}

/** Gives the checks of `commit`, given the revisions that the plan's earlier commits got. */
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
  cuts: readonly (readonly Operation[])[],
): Generator<PlanCommit, undefined> {
  const lists = listsOf(plan);
  const lastWrites = new Map<string, { readonly commit: number; readonly isDeleted: boolean }>();
  for (const [commit, operations] of cuts.entries()) {
    const checks = new Map<string, CommitCheck>();
    const writes = new Map<string, PlanWrite>();
    for (const operation of operations) {
      for (const check of checksOf(operation)) {
        const last = lastWrites.get(check.key);
        checks.set(check.key, last ? checkOf(check.key, last) : check);
      }
      for (const write of operation.writes) writes.set(write.key, write);
      const listWrite = editList(lists, operation);
      if (listWrite) writes.set(listWrite.key, listWrite);
    }
    for (const { key, value } of writes.values()) {
      lastWrites.set(key, { commit, isDeleted: value === undefined });
    }
    yield {
      objects: operations.map(({ kind, name }) => `${kind} ${name}`),
      checks: [...checks.values()],
      writes: [...writes.values()],
    };
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
    [...subnetLists].map(([tenant, networks]) => [tenant, new Map(Object.entries(networks))]),
  );
}

/** Changes the tenant's list of subnets and gives its write. An empty list is no document. */
function editList(lists: Lists, { subnets }: Operation): PlanWrite | undefined {
  if (!subnets) return undefined;
  const { tenant, drop, add, network } = subnets;
  const list = lists.get(tenant) ?? new Map<string, string>();
  lists.set(tenant, list);
  if (drop !== undefined && list.get(drop) === network) list.delete(drop);
  if (add !== undefined) list.set(add, network);
  const value = { schema: SCHEMA, networks: Object.fromEntries(list) };
  return { key: keys.subnets(tenant), value: list.size > 0 ? value : undefined };
}
