// Which networks' frames go to the policy tables, by access tag. The flows of ports and trunks depend on it;
// code that changes it must refresh them.

/** Access tags under policy; all of them while that is unknown. */
export class PolicyVlans {
  #tags: ReadonlySet<number> = new Set();
  #isEverything = true;

  has(tag: number): boolean {
    return this.#isEverything || this.#tags.has(tag);
  }

  /** Reports whether it is unknown which, so that all tags count. */
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
  key(): string {
    return this.#isEverything ? "all" : [...this.#tags].sort((a, b) => a - b).join();
  }
}
