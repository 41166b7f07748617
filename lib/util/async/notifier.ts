// A level-triggered signal: many notifications become one wake-up. It carries no content, so whoever
// wakes up looks at the state itself.

import { pause } from "./pause.ts";

/** Notified by whoever saw a change; waited for, again and again, by one loop. */
export class Notifier {
  #isDue = false;
  #wake: (() => void) | undefined;

  /** Wakes the waiter; without one, the next wait ends at once. */
  notify(): void {
    this.#isDue = true;
    this.#wake?.();
  }

  /**
   * Waits for a notification since the last wait, for at most `withinMs` (default: without limit), or
   * until `signal` aborts.
   */
  async wait(
    { withinMs, signal }: { readonly withinMs?: number; readonly signal: AbortSignal },
  ): Promise<void> {
    if (!this.#isDue) await pause(withinMs, signal, (wake) => this.#wake = wake);
    this.#wake = undefined;
    this.#isDue = false;
  }
}
