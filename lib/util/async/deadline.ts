// Waiting with a limit: for a promise, and for a condition that other code makes true. Deadlines are points in
// time, `performance.now()` plus the limit, so that one limit covers all steps of a call.
//
// Own code: @std/async/deadline and AbortSignal.timeout throw a TimeoutError that does not say what was waited
// for; here the Fault does. And no timer is left when the work ends in time.

import { Fault } from "../errors.ts";

/**
 * Returns the result of `work`, if it ends by `endMs`. Faults: of the work; timeout, whose message begins with
 * `what`, or the one that `what` makes. The work itself goes on.
 */
export async function withDeadline<T>(
  endMs: number,
  what: string | ((limitMs: number) => Fault),
  work: Promise<T>,
): Promise<T> {
  const limitMs = Math.max(0, endMs - performance.now());
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const end = () => reject(typeof what === "string" ? timedOut(what, limitMs) : what(limitMs));
    timer = setTimeout(end, limitMs);
  });
  // The loser may still fail later, when nothing waits for it any more.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the Fault of a wait for Open vSwitch that reached its limit. */
export function timedOut(what: string, limitMs: number): Fault {
  return new Fault("timeout", `${what} within ${Math.round(limitMs)} ms`, {
    fix: "see whether ovs-vswitchd and ovsdb-server are running",
  });
}

/** Waits for conditions, under keys: a notification of a key makes the waits there check again. */
export class ConditionWaits {
  readonly #checksByKey = new Map<string, Set<() => void>>();

  /**
   * Returns the first result of `check` other than undefined; it is called now and at each notification of
   * `key`. Faults: timeout, and what `check` throws.
   */
  until<T>(
    key: string,
    check: () => T | undefined,
    { endMs, what }: { readonly endMs: number; readonly what: string },
  ): Promise<T> {
    const limitMs = Math.max(0, endMs - performance.now());
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        this.#leave(key, again);
        settle();
      };
      const again = () => {
        try {
          const result = check();
          if (result !== undefined) done(() => resolve(result));
        } catch (error) {
          done(() => reject(error));
        }
      };
      const timer = setTimeout(() => done(() => reject(timedOut(what, limitMs))), limitMs);
      this.#join(key, again);
      again();
    });
  }

  /** Makes the waits for `key` check again. */
  notify(key: string): void {
    for (const again of [...this.#checksByKey.get(key) ?? []]) again();
  }

  /** Makes all waits check again. */
  notifyAll(): void {
    for (const key of [...this.#checksByKey.keys()]) this.notify(key);
  }

  #join(key: string, again: () => void): void {
    const set = this.#checksByKey.get(key) ?? new Set();
    this.#checksByKey.set(key, set.add(again));
  }

  #leave(key: string, again: () => void): void {
    const set = this.#checksByKey.get(key);
    set?.delete(again);
    if (set?.size === 0) this.#checksByKey.delete(key);
  }
}
