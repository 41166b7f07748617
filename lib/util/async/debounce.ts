// A chore that work makes due: done a while later, once for all the work until then.

/** Runs `chore` some time after work. */
export class Debounce implements Disposable {
  readonly #chore: () => void;
  readonly #delayMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(chore: () => void, delayMs: number) {
    this.#chore = chore;
    this.#delayMs = delayMs;
  }

  /** Notes work; cheap, for every call. */
  note(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#chore();
    }, this.#delayMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
