// Serial work by key: work for one key runs one after the other, work for different keys side by side.
//
// Own code: p-limit(1) is such a queue for a single key. Here keys come and go by the thousand and must leave
// nothing behind, work may need several keys at once, and the wait for them may have an end.

import { withDeadline } from "./deadline.ts";

/** Runs work in turn for each key. */
export class KeyedQueue {
  /** The end of the last work that was queued for each key. */
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Returns the result of `work`, run after all earlier work for `key`, whether that succeeded or not. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const release = await this.acquire([key]);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /**
   * Waits for all earlier work for `keys`; returns what ends the work that follows. Faults: timeout, at
   * `endMs` of `performance.now()`; without `endMs` it waits without limit.
   */
  async acquire(keys: readonly string[], endMs?: number): Promise<() => void> {
    let release = () => {};
    const mine = new Promise<void>((resolve) => release = resolve);
    const earlier = keys.flatMap((key) => this.#tails.get(key) ?? []);
    const all = Promise.all([...earlier, mine]);
    // All keys are queued in one go: two callers with the same keys never wait for each other.
    for (const key of keys) this.#tails.set(key, all);
    void all.then(() => this.#forget(keys, all));
    try {
      if (earlier.length > 0) await this.#settled(earlier, keys, endMs);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Reports whether work for `key` is running or waiting. */
  isBusy(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when no work is running or waiting. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }

  async #settled(
    earlier: readonly Promise<unknown>[],
    keys: readonly string[],
    endMs: number | undefined,
  ): Promise<void> {
    const all = Promise.all(earlier);
    if (endMs === undefined) await all;
    else await withDeadline(endMs, `earlier work on ${keys[0]} did not end`, all);
  }

  #forget(keys: readonly string[], all: Promise<unknown>): void {
    for (const key of keys) if (this.#tails.get(key) === all) this.#tails.delete(key);
  }
}
