// A lasting problem is logged once, and again when it changes. Pure.

/** Most keys that are remembered; beyond it the one logged longest ago is forgotten. */
const LIMIT = 1_000;

/** Remembers the last message for each key. */
export class LogDedup {
  readonly #messageByKey = new Map<string, string>();

  /** Reports whether `message` differs from the last one for `key`; then it becomes the last one. */
  isNew(key: string, message: string): boolean {
    if (this.#messageByKey.get(key) === message) return false;
    this.#messageByKey.set(key, message);
    const [oldest] = this.#messageByKey.keys();
    if (this.#messageByKey.size > LIMIT && oldest !== undefined) this.#messageByKey.delete(oldest);
    return true;
  }

  /** Forgets `key`, as its problem is over; reports whether there was a message for it. */
  forget(key: string): boolean {
    return this.#messageByKey.delete(key);
  }
}
