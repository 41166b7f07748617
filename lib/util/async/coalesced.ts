// Work that many callers request at once and whose result serves them all: done once for all that called before
// it began. A call while it is running needs the next run, as this one may have missed what happened just now.
//
// Own code: libraries that share a running promise give later callers the result of the run that began before
// their call, which is just what must not happen here.

/** Repeatable work, shared by its callers. */
export class Coalesced {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run has ended that began after this call. Faults: of the work. */
  run(): Promise<void> {
    this.#next ??= this.#start(this.#running);
    return this.#next;
  }

  async #start(before: Promise<void> | undefined): Promise<void> {
    // The first run waits a turn, too: calls of the same turn share it.
    await before?.catch(() => {});
    await Promise.resolve();
    this.#running = this.#next;
    this.#next = undefined;
    await this.#work();
  }
}
