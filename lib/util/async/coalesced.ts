// Work that many ask for at once and that is as good for all of them: done once for all who came before
// it began. Who comes while it is under way needs the next one, as what happened just now may be missing
// from this one.

/** Repeatable work whose result is shared. */
export class Coalesced {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when the work was done that began after this call. Faults: of the work. */
  run(): Promise<void> {
    this.#next ??= this.#start(this.#running);
    return this.#next;
  }

  async #start(before: Promise<void> | undefined): Promise<void> {
    // The first one waits a turn, too: who asks in the same one shares it.
    await before?.catch(() => {});
    await Promise.resolve();
    this.#running = this.#next;
    this.#next = undefined;
    await this.#work();
  }
}
