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
    if (!this.#rung) await pause(withinMs, signal, (wake) => this.#wake = wake);
    this.#wake = undefined;
    this.#rung = false;
  }
}

/** Waits; ends early when `signal` aborts, or by the call that `early` is handed. */
export async function pause(
  ms: number,
  signal: AbortSignal,
  early: (wake: () => void) => void = () => {},
): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    early(end);
  });
}
