// When something that failed is tried again: at once if what it depends on has changed, else after pauses that
// grow, as each try may cost a request to another server. Pure: the caller passes the time.
//
// Own code: retry() of @std/async and p-retry repeats one call; this decides for thousands of keys in a loop
// that has other work, and restarts when a key's inputs change.

/** Most keys that are remembered; beyond it the one tried longest ago is forgotten, and due at once. */
const LIMIT = 1_000;
const [SHORTEST_MS, LONGEST_MS] = [1_000, 60_000];

interface Attempt {
  /** Everything that the attempt depended on, as text. */
  readonly inputs: string;
  readonly count: number;
  readonly nextAt: number;
}

/** Remembers the attempts for each key. */
export class Backoff {
  readonly #lastByKey = new Map<string, Attempt>();

  /**
   * Reports whether `key` is to be tried at `now` (milliseconds) with these `inputs`; if so, that counts as an
   * attempt.
   */
  isDue(key: string, inputs: string, now: number): boolean {
    const last = this.#lastByKey.get(key);
    const isSame = last?.inputs === inputs;
    if (isSame && now < last.nextAt) return false;
    const count = isSame ? last.count + 1 : 0;
    const pauseMs = Math.min(SHORTEST_MS * 2 ** Math.min(count, 16), LONGEST_MS);
    this.#lastByKey.delete(key);
    this.#lastByKey.set(key, { inputs, count, nextAt: now + pauseMs });
    const [oldest] = this.#lastByKey.keys();
    if (this.#lastByKey.size > LIMIT && oldest !== undefined) this.#lastByKey.delete(oldest);
    return true;
  }

  /** Forgets the attempts for `key`, as the last one succeeded. */
  forget(key: string): void {
    this.#lastByKey.delete(key);
  }
}
