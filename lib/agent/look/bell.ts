// "Look again": many reasons to ring, one look. A ring carries no content.

/** Rung by whoever saw a change; waited for by the loop. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Asks for another look; rings that come before it are one. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Waits for a ring, for `withinMs` at most, or until `signal` aborts. */
  async rung({ withinMs, signal }: { withinMs: number; signal: AbortSignal }): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((done) => {
        const timer = setTimeout(done, withinMs);
        const wake = () => (clearTimeout(timer), done());
        this.#wake = wake;
        signal.addEventListener("abort", wake, { once: true });
      });
    }
    this.#wake = undefined;
    this.#rung = false;
  }
}
