// Sandboxes that are gone: marked, looked at again after the grace time, only then released.

import type { Fate } from "../containers/fates.ts";

/** Remembers since when each attachment's sandbox has been missing. */
export class Garbage {
  readonly #goneSince = new Map<string, number>();
  readonly #graceMs: number;
  readonly #now: () => number;

  constructor(graceMs: number, now: () => number) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /**
   * Notes what became of the sandbox of attachment `id`; reports whether it is to be released: one
   * that is `dead` at once, any other that is not `alive` after the grace time.
   */
  isDue(id: string, fate: Fate): boolean {
    if (fate === "alive") {
      this.#goneSince.delete(id);
      return false;
    }
    if (fate === "dead") return true;
    const since = this.#goneSince.get(id);
    if (since === undefined) this.#goneSince.set(id, this.#now());
    return since !== undefined && this.#now() - since >= this.#graceMs;
  }

  /** Forgets all but `ids`: what is no attachment any more needs no mark. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#goneSince.keys()) if (!ids.has(id)) this.#goneSince.delete(id);
  }

  /** Gives the milliseconds until the next one is due; undefined while nothing is marked. */
  nextDueMs(): number | undefined {
    if (this.#goneSince.size === 0) return undefined;
    const first = Math.min(...this.#goneSince.values());
    return Math.max(0, first + this.#graceMs - this.#now());
  }
}
