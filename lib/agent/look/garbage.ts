// Sandboxes that are gone: marked, looked at again after the grace time, only then released.

/** Remembers since when each attachment's sandbox has been missing. */
export class Garbage {
  readonly #goneSince = new Map<string, number>();
  readonly #graceMs: number;
  readonly #now: () => number;

  constructor(graceMs: number, now: () => number) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /** Notes whether the sandbox of attachment `id` is there; reports whether it is to be released. */
  isDue(id: string, isAlive: boolean): boolean {
    if (isAlive) {
      this.#goneSince.delete(id);
      return false;
    }
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
