// What comes by events, for who takes it one after the other.

/** Items that came and were not yet taken, and how it ended. */
export class AsyncQueue<T> {
  readonly #items: T[] = [];
  #end: Error | undefined;
  #wake = () => {};

  /** Adds one. */
  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Ends it; what came before can still be taken. Only the first end counts. */
  fail(error: Error): void {
    this.#end ??= error;
    this.#wake();
  }

  /** Returns the next item; throws how it ended once all were taken. */
  async next(): Promise<T> {
    while (true) {
      const item = this.#items.shift();
      if (item !== undefined) return item;
      if (this.#end) throw this.#end;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}
