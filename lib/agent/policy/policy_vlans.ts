// Which networks' frames are handed to the policy tables, by access tag. Guards of ports and trunks ask
// it whenever they are made; who changes it makes them anew.

/** Access tags under policies; all there are, as long as nobody knows. */
export class PolicyVlans {
  #tags: ReadonlySet<number> = new Set();
  #isEverything = true;

  has(tag: number): boolean {
    return this.#isEverything || this.#tags.has(tag);
  }

  /** Whether nobody knows which, so that it is all. */
  get isEverything(): boolean {
    return this.#isEverything;
  }

  tags(): number[] {
    return [...this.#tags];
  }

  set(tags: Iterable<number>): void {
    this.#tags = new Set(tags);
    this.#isEverything = false;
  }

  setEverything(): void {
    this.#isEverything = true;
  }

  /** Returns the same text for the same tags. */
  words(): string {
    return this.#isEverything ? "all" : [...this.#tags].sort((a, b) => a - b).join();
  }
}
