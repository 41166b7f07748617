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

  /** Gives the ids that are marked, with the milliseconds since. */
  marked(): { id: string; forMs: number }[] {
    return [...this.#goneSince].map(([id, since]) => ({ id, forMs: this.#now() - since }));
  }
}
