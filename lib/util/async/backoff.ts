// When what did not work is tried again: at once where what it depends on has changed, else after
// pauses that grow, since each try may ask somebody outside. Pure.

const LIMIT = 1_000;
const [SHORTEST_MS, LONGEST_MS] = [1_000, 60_000];

interface Tried {
  /** All that the try depended on. */
  readonly words: string;
  readonly count: number;
  readonly nextAt: number;
}

/** Remembers the tries of each thing, of the latest 1,000. */
export class Backoff {
  readonly #triedByKey = new Map<string, Tried>();

  /** Reports whether `key` is to be tried at `now` (milliseconds) as `words` say it is; then it counts as tried. */
  isDue(key: string, words: string, now: number): boolean {
    const before = this.#triedByKey.get(key);
    const isSame = before?.words === words;
    if (isSame && now < before.nextAt) return false;
    const count = isSame ? before.count + 1 : 0;
    const pauseMs = Math.min(SHORTEST_MS * 2 ** Math.min(count, 16), LONGEST_MS);
    this.#triedByKey.delete(key);
    this.#triedByKey.set(key, { words, count, nextAt: now + pauseMs });
    const [oldest] = this.#triedByKey.keys();
    if (this.#triedByKey.size > LIMIT && oldest !== undefined) this.#triedByKey.delete(oldest);
    return true;
  }

  /** It worked. */
  forget(key: string): void {
    this.#triedByKey.delete(key);
  }
}
