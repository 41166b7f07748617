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
import type { Json, Operation, Plan, PlanCheck, PlanWrite } from "./plan/operation.ts";
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

/** Limits of one commit. */
export interface CommitLimits {
  /** Most checks + writes; a store takes 100, the rest is for the caller's own. @default 90 */
  readonly operations?: number;
  /** Most bytes of keys and values. @default 480 KiB */
  readonly bytes?: number;
  /** Most groups of operations. @default no limit */
  readonly groups?: number;
}

/**
 * Gives the commits of `plan`, to be done one after the other. Each leaves a store that can be
 * planned again. Faults: usage, before the first one, where a group does not fit into a commit.
 */
export function planCommits(
  plan: Plan,
  { operations = 90, bytes = 480 * 1024, groups = Infinity }: CommitLimits = {},
): Iterable<PlanCommit> {
  const cuts = cut(plan, { operations, bytes, groups });
  return { [Symbol.iterator]: () => commitsOf(plan, cuts) };
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

function checksOf({ checks, subnets }: Operation): PlanCheck[] {
  if (!subnets) return [...checks];
  return [...checks, { key: keys.subnets(subnets.tenant), revision: subnets.revision }];
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

/** Bytes of a list's key and document without its networks; a tenant's name has 64 at most. */
const LIST_FRAME = 128;

/** What a commit holds while it is filled. */
interface Load {
  readonly checks: Set<string>;
  readonly writes: Set<string>;
  readonly groups: number;
  /** Bytes of the writes but the lists of subnets, of which a commit holds each one once. */
  readonly bytes: number;
  readonly listBytes: ReadonlyMap<string, number>;
}

const EMPTY: Load = {
  checks: new Set(),
  writes: new Set(),
  groups: 0,
  bytes: 0,
  listBytes: new Map(),
};

function cut(plan: Plan, limits: Required<CommitLimits>): Operation[][] {
  const sizes = new Map(
    [...plan.subnetLists].map(([tenant, list]) => [tenant, LIST_FRAME + bytesOf(list)]),
  );
  const cuts: Operation[][] = [];
  let load = EMPTY;
  for (const group of Map.groupBy(plan.operations, ({ group }) => group).values()) {
    const own = loadOf(group, sizes);
    if (!fits(own, limits)) throw doesNotFit(group, own, limits);
    const both = joined(load, own);
    const last = cuts.at(-1);
    if (last && fits(both, limits)) {
      last.push(...group);
      load = both;
    } else {
      cuts.push([...group]);
      load = own;
    }
  }
  return cuts;
}

function loadOf(group: readonly Operation[], sizes: Map<string, number>): Load {
  const checks = new Set(group.flatMap(checksOf).map(({ key }) => key));
  const writes = group.flatMap((operation) => operation.writes);
  const keysWritten = new Set(writes.map(({ key }) => key));
  const listBytes = new Map<string, number>();
  for (const { subnets } of group) {
    if (!subnets) continue;
    const { tenant, add = "", network } = subnets;
    // What goes is not subtracted: the size may be too large, never too small.
    const size = (sizes.get(tenant) ?? LIST_FRAME) + bytesOf({ [add]: network });
    sizes.set(tenant, size);
    listBytes.set(tenant, size);
    keysWritten.add(keys.subnets(tenant));
  }
  const bytes = writes.reduce((sum, { key, value }) => sum + bytesOf(key) + bytesOf(value), 0);
  return { checks, writes: keysWritten, groups: 1, bytes, listBytes };
}

function joined(a: Load, b: Load): Load {
  return {
    checks: a.checks.union(b.checks),
    writes: a.writes.union(b.writes),
    groups: a.groups + b.groups,
    bytes: a.bytes + b.bytes,
    listBytes: new Map([...a.listBytes, ...b.listBytes]),
  };
}

function totalBytes({ bytes, listBytes }: Load): number {
  return listBytes.values().reduce((sum, size) => sum + size, bytes);
}

function fits(load: Load, limits: Required<CommitLimits>): boolean {
  return load.checks.size + load.writes.size <= limits.operations &&
    load.groups <= limits.groups && totalBytes(load) <= limits.bytes;
}

function bytesOf(value: Json | undefined): number {
  return value === undefined ? 0 : new TextEncoder().encode(JSON.stringify(value)).length;
}

function doesNotFit(
  group: readonly Operation[],
  load: Load,
  limits: Required<CommitLimits>,
): Fault {
  const [first] = group;
  const others = group.length > 1 ? ` and ${group.length - 1} more` : "";
  const why = totalBytes(load) > limits.bytes
    ? `it takes ${totalBytes(load)} bytes, ${limits.bytes} are allowed`
    : `they hand values to each other: ${
      load.checks.size + load.writes.size
    } operations, ${limits.operations} are allowed`;
  return new Fault("usage", `${first?.kind} ${first?.name}${others} do not fit into one commit`, {
    why,
    fix: "apply in two steps: delete or free some first",
  });
}
