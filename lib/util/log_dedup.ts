// What goes on being wrong is said once, and again when it is wrong in another way. Pure.

const LIMIT = 1_000;

/** Remembers what was said last of each thing, of the latest 1,000. */
export class LogDedup {
  readonly #wordsByKey = new Map<string, string>();

  /** Reports whether `words` are news of `key`. */
  isNew(key: string, words: string): boolean {
    if (this.#wordsByKey.get(key) === words) return false;
    this.#wordsByKey.set(key, words);
    const [oldest] = this.#wordsByKey.keys();
    if (this.#wordsByKey.size > LIMIT && oldest !== undefined) this.#wordsByKey.delete(oldest);
    return true;
  }

  /** All is well with `key`; reports whether something was said of it. */
  forget(key: string): boolean {
    return this.#wordsByKey.delete(key);
  }
}
