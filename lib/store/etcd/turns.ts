// Whose turn it is: commits of one client that name a key in common are done in the order in which
// they were asked, though each goes by a connection of its own; the others side by side.

// Enough to keep etcd busy, few enough for its connections.
const MOST_AT_ONCE = 32;

/** Lets work on the same keys happen in order, and not too much at once. */
export class Turns {
  readonly #lastByKey = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Runs `work` when all that was asked before with one of `keys` has ended. */
  async take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = keys.map((key) => this.#lastByKey.get(key));
    for (const key of keys) this.#lastByKey.set(key, promise);
    try {
      await Promise.all(before);
      return await this.#atOnce(work);
    } finally {
      for (const key of keys) {
        if (this.#lastByKey.get(key) === promise) this.#lastByKey.delete(key);
      }
      resolve();
    }
  }

  async #atOnce<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // Who waits takes the place over; it is never free in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
