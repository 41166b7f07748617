// Who holds which claim while a plan chooses: what it has given out so far, and what others hold.

import { Fault } from "../../util/errors.ts";
import { endpointClaim, networkClaims } from "./claims.ts";
import { nameOf, type Stored } from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/** Claims given out by this plan, and claims that are none of this plan's business. */
export interface ClaimHolders {
  readonly allocated: Map<string, string>;
  /** Claims whose owner is no record of ours, such as a pod without an endpoint, or not to be touched. */
  readonly foreign: ReadonlyMap<string, string>;
}

/** Returns the holders at the start of a plan. */
export function claimHoldersOf(stored: Stored, desired: Desired): ClaimHolders {
  const foreign = new Map<string, string>();
  for (const [claim, { owner }] of stored.claims) {
    const network = stored.networks.get(owner);
    const endpoint = stored.endpoints.get(owner);
    // One that cannot be read stays its record's for as long as it stands, whatever becomes of that.
    const isOurs = !stored.unreadable.has(claim) && !desired.untouched.has(owner) &&
      ((network && networkClaims(network).includes(claim)) ||
        (endpoint && endpointClaim(endpoint) === claim));
    if (!isOurs) foreign.set(claim, owner);
  }
  return { allocated: new Map(), foreign };
}

/** Finds who else than `owner` has `claim`. A claim that its own record forgot is taken up again. */
export function holderOf(holders: ClaimHolders, claim: string, owner: string): string | undefined {
  const given = holders.allocated.get(claim);
  if (given !== undefined && given !== owner) return given;
  const foreign = holders.foreign.get(claim);
  return foreign === owner ? undefined : foreign;
}

/** Reports whether nobody has `claim`. */
export function isFree({ allocated: given, foreign }: ClaimHolders, claim: string): boolean {
  return !given.has(claim) && !foreign.has(claim);
}

/** Returns the Fault (conflict) of `what`, desired by `owner` and held by `holder`. */
export function takenFault(what: string, owner: string, holder: string): Fault {
  return new Fault("conflict", `${what} of ${nameOf(owner)} is taken`, {
    why: `${nameOf(holder)} has it`,
    fix: "choose another one, or leave it out",
  });
}

/** Returns what `first` has, then what `second` has by then. */
export function* chain<T>(first: Iterable<T>, second: Iterable<T>): Generator<T, undefined> {
  yield* first;
  yield* second;
}

/** Returns `items` without the first `count`, and those in the end; it goes round where there are fewer. */
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
