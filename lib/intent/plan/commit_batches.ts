// Splits a plan into batches of operations, one for each commit: as many groups together as the limits allow.

import { Fault } from "../../util/errors.ts";
import type { Operation, Plan, PlanCheck } from "./operation.ts";
import type { Json } from "../../util/json.ts";

/** Limits of one commit. */
export interface CommitLimits {
  /** Most checks + writes; a store takes 100, the rest is for the caller's own. @default 90 */
  readonly operations?: number;
  /** Most bytes of keys and values. @default 480 KiB */
  readonly bytes?: number;
  /** Most groups of operations. @default no limit */
  readonly groups?: number;
}

/** Returns the checks of an operation, with those of the lists of subnets that it changes. */
export function checksOf({ checks, subnets = [] }: Operation): PlanCheck[] {
  return [...checks, ...subnets.map(({ list, revision }) => ({ key: list, revision }))];
}

/** Most bytes of a subnet list's key and document without its networks; a tenant's name has 64 characters at most. */
const LIST_FRAME = 128;

/** Size of a commit while it is filled. */
interface CommitLoad {
  readonly checks: ReadonlySet<string>;
  /** Bytes by key. */
  readonly writes: ReadonlyMap<string, number>;
  readonly groups: number;
}

const EMPTY: CommitLoad = { checks: new Set(), writes: new Map(), groups: 0 };

/** Returns the operations of each commit. Faults: usage, where a group is over the limits. */
export function commitBatches(plan: Plan, limits: Required<CommitLimits>): Operation[][] {
  const sizes = new Map(
    [...plan.subnetLists].map(([key, list]) => [key, LIST_FRAME + bytesOf(list)]),
  );
  const batches: Operation[][] = [];
  let load = EMPTY;
  const continuation = new Continuation();
  for (const group of Map.groupBy(plan.operations, ({ group }) => group).values()) {
    const own = loadOf(group, sizes);
    if (!fits(own, limits)) throw doesNotFit(group, own, limits);
    const both = joined(load, own);
    const last = batches.at(-1);
    if (last && fits(both, limits) && !continuation.mustEndBefore(load, own)) {
      last.push(...group);
      load = both;
    } else {
      continuation.complete(load);
      batches.push([...group]);
      load = own;
    }
    continuation.add(own);
  }
  return batches;
}

/**
 * A commit that continues what an earlier one has begun, such as one network's endpoints, takes no other
 * groups: else the next network would have to wait for this commit, and this one for the one before.
 */
class Continuation {
  readonly #written = new Set<string>();
  #isContinued = false;

  /** Reports whether `load` continues an earlier commit, and `next` does not belong to it. */
  mustEndBefore(load: CommitLoad, next: CommitLoad): boolean {
    return this.#isContinued && !next.writes.keys().some((key) => load.writes.has(key));
  }

  /** Notes that the commit of `load` is complete. */
  complete(load: CommitLoad): void {
    for (const key of load.writes.keys()) this.#written.add(key);
    this.#isContinued = false;
  }

  /** Notes a group that is added to the current commit. */
  add(own: CommitLoad): void {
    this.#isContinued ||= own.writes.keys().some((key) => this.#written.has(key));
  }
}

function loadOf(group: readonly Operation[], sizes: Map<string, number>): CommitLoad {
  const writes = new Map<string, number>();
  for (const { writes: own, subnets = [] } of group) {
    for (const { key, value } of own) writes.set(key, bytesOf(key) + bytesOf(value));
    for (const { list, add = "", network } of subnets) {
      // Removed networks are not subtracted: the size may be too large, never too small.
      const size = (sizes.get(list) ?? LIST_FRAME) + bytesOf({ [add]: network });
      sizes.set(list, size);
      writes.set(list, size);
    }
  }
  return { checks: new Set(group.flatMap(checksOf).map(({ key }) => key)), writes, groups: 1 };
}

function joined(a: CommitLoad, b: CommitLoad): CommitLoad {
  return {
    checks: a.checks.union(b.checks),
    writes: new Map([...a.writes, ...b.writes]),
    groups: a.groups + b.groups,
  };
}

function totalBytes({ writes }: CommitLoad): number {
  return writes.values().reduce((sum, bytes) => sum + bytes, 0);
}

function fits(load: CommitLoad, limits: Required<CommitLimits>): boolean {
  return load.checks.size + load.writes.size <= limits.operations &&
    load.groups <= limits.groups && totalBytes(load) <= limits.bytes;
}

function bytesOf(value: Json | undefined): number {
  return value === undefined ? 0 : new TextEncoder().encode(JSON.stringify(value)).length;
}

function doesNotFit(
  group: readonly Operation[],
  load: CommitLoad,
  limits: Required<CommitLimits>,
): Fault {
  const [first] = group;
  const others = group.length > 1 ? ` and ${group.length - 1} more` : "";
  const why = totalBytes(load) > limits.bytes
    ? `it takes ${totalBytes(load)} bytes, ${limits.bytes} are allowed`
    : `they exchange claims with each other: ${
      load.checks.size + load.writes.size
    } operations, ${limits.operations} are allowed`;
  return new Fault("usage", `${first?.kind} ${first?.name}${others} do not fit into one commit`, {
    why,
    fix: "apply in two steps: delete or free some first",
  });
}
