// A task that other work makes due: run some time later, once for all the work until then.
//
// Own code: @std/async/debounce starts its delay anew with every call, so an agent that is never idle would
// never run the task; here the first call sets the time.

/** Runs `task` at most once per `delayMs`, after the first note(). */
export class Debounce implements Disposable {
  readonly #task: () => void;
  readonly #delayMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `task` must not throw. */
  constructor(task: () => void, delayMs: number) {
    this.#task = task;
    this.#delayMs = delayMs;
  }

  /** Makes the task due; cheap enough for every call. */
  note(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#task();
    }, this.#delayMs);
  }

  /** Cancels what is due. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
