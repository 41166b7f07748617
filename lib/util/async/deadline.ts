// Waiting with a limit: for a promise, and for a condition that others make true. Points in time are
// `performance.now()` plus the limit, so that one limit covers all steps of a call.

import { Fault } from "../errors.ts";

/** Returns what `work` gives, if by `endMs`. Faults: timeout, which begins with `what`. */
export async function withDeadline<T>(endMs: number, what: string, work: Promise<T>): Promise<T> {
  const startMs = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const limitMs = Math.max(0, endMs - startMs);
    timer = setTimeout(() => reject(timedOut(what, limitMs)), limitMs);
  });
  // The loser may still fail later, when nobody listens any more.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Makes the Fault of a wait that was in vain. */
export function timedOut(what: string, limitMs: number): Fault {
  return new Fault("timeout", `${what} within ${Math.round(limitMs)} ms`, {
    fix: "see whether ovs-vswitchd and ovsdb-server are running",
  });
}

/** Conditions under keys: a ring for a key makes those who wait there look again. */
export class ConditionWaits {
  readonly #byKey = new Map<string, Set<() => void>>();

  /**
   * Returns the first result of `look` other than undefined; it looks now and at each ring of `key`.
   * Faults: timeout, and what `look` throws.
   */
  until<T>(
    key: string,
    look: () => T | undefined,
    { endMs, what }: { readonly endMs: number; readonly what: string },
  ): Promise<T> {
    const startMs = performance.now();
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        this.#leave(key, again);
        settle();
      };
      const again = () => {
        try {
          const seen = look();
          if (seen !== undefined) done(() => resolve(seen));
        } catch (error) {
          done(() => reject(error));
        }
      };
      const limitMs = Math.max(0, endMs - startMs);
      const timer = setTimeout(() => done(() => reject(timedOut(what, limitMs))), limitMs);
      this.#join(key, again);
      again();
    });
  }

  /** Makes those who wait at `key` look again. */
  notify(key: string): void {
    for (const again of [...this.#byKey.get(key) ?? []]) again();
  }

  /** Makes all look again. */
  notifyAll(): void {
    for (const key of [...this.#byKey.keys()]) this.notify(key);
  }

  #join(key: string, again: () => void): void {
    const set = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, set.add(again));
  }

  #leave(key: string, again: () => void): void {
    const set = this.#byKey.get(key);
    set?.delete(again);
    if (set?.size === 0) this.#byKey.delete(key);
  }
}
