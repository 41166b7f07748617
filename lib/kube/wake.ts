// News that somebody waits for: many rings are one.

/** Something that is waited for again and again, by one who waits. */
export class Wake {
  #isDue = false;
  #end: (() => void) | undefined;

  /** Ends the wait that is under way, or the next one at once. */
  ring(): void {
    this.#isDue = true;
    this.#end?.();
  }

  /** Waits for a ring since the last wait, or until `signal` aborts. */
  async rung(signal: AbortSignal): Promise<void> {
    if (!this.#isDue && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#end = resolve;
      signal.addEventListener("abort", this.#end);
      await promise;
      signal.removeEventListener("abort", this.#end);
    }
    this.#end = undefined;
    this.#isDue = false;
  }
}
