// Who has which claim while a plan chooses values: what the plan has allocated so far, and what others have.

import { Fault } from "../../util/errors.ts";
import { endpointClaim, networkClaims } from "./claims.ts";
import { nameOf, type Stored } from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/** Owners of claims, by claim key. */
export interface ClaimHolders {
  /** Allocated by this plan. */
  readonly allocated: Map<string, string>;
  /** Owned by others: not by a record, as of a pod without an endpoint, or by one that must stay as it is. */
  readonly foreign: ReadonlyMap<string, string>;
}

/** Returns the owners at the start of a plan. */
export function claimHoldersOf(stored: Stored, desired: Desired): ClaimHolders {
  const foreign = new Map<string, string>();
  for (const [claim, { owner }] of stored.claims) {
    const network = stored.networks.get(owner);
    const endpoint = stored.endpoints.get(owner);
    // An unreadable claim stays with its record as long as it exists, whatever happens to the record.
    const isOurs = !stored.unreadable.has(claim) && !desired.untouched.has(owner) &&
      ((network && networkClaims(network).includes(claim)) ||
        (endpoint && endpointClaim(endpoint) === claim));
    if (!isOurs) foreign.set(claim, owner);
  }
  return { allocated: new Map(), foreign };
}

/** Returns the owner of `claim`, undefined where there is none or it is `owner` itself. */
export function holderOf(holders: ClaimHolders, claim: string, owner: string): string | undefined {
  const given = holders.allocated.get(claim);
  if (given !== undefined && given !== owner) return given;
  const foreign = holders.foreign.get(claim);
  return foreign === owner ? undefined : foreign;
}

/** Reports whether `claim` has no owner. */
export function isFree({ allocated: given, foreign }: ClaimHolders, claim: string): boolean {
  return !given.has(claim) && !foreign.has(claim);
}

/** Returns the Fault (conflict) of a value `what` of `owner` that `holder` has. */
export function takenFault(what: string, owner: string, holder: string): Fault {
  return new Fault("conflict", `${what} of ${nameOf(owner)} is taken`, {
    why: `${nameOf(holder)} has it`,
    fix: "choose another one, or leave it out",
  });
}

/** Returns the items of `first`, then those of `second`, which is read only then. */
export function* chain<T>(first: Iterable<T>, second: Iterable<T>): Generator<T, undefined> {
  yield* first;
  yield* second;
}

/** Returns `items` rotated by `count`: the first ones come last. */
export function* skipFirst<T>(count: number, items: Iterable<T>): Generator<T, undefined> {
  const passed: T[] = [];
  for (const item of items) {
    if (passed.length < count) passed.push(item);
    else yield item;
  }
  const start = passed.length === 0 ? 0 : count % passed.length;
  yield* passed.slice(start);
  yield* passed.slice(0, start);
}
