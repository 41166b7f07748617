// "Look again": many reasons to ring, one look. A ring carries no content.

import { pause } from "./pause.ts";

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
