// Items that arrive by callback, for a consumer that takes them one after the other.
//
// Own code: a ReadableStream, the standard queue of this kind, drops what is still queued when it is ended with
// an error; here the items before the end must still be delivered.

/** Items that have arrived and were not yet taken, and how the queue ended. */
export class AsyncQueue<T> {
  readonly #items: T[] = [];
  #end: Error | undefined;
  #wake = () => {};

  /** Adds an item; it must not be undefined. */
  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the queue with `error`; earlier items can still be taken. Only the first end counts. */
  fail(error: Error): void {
    this.#end ??= error;
    this.#wake();
  }

  /** Returns the next item, as soon as there is one; throws the error of the end after the last one. */
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
