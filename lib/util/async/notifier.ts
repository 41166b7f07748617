// A level-triggered signal: many notifications become one wake-up. It carries no content, so whatever wakes up
// checks the state itself. Own code: no library offers just this, and it is ten lines.

import { pause } from "./pause.ts";

/** Notified of every change; one loop waits for it, again and again. */
export class Notifier {
  #isDue = false;
  #wake: (() => void) | undefined;

  /** Wakes the waiting loop; if none waits, the next wait ends at once. */
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
