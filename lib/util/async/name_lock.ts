// One after another per name, others beside each other. Knows nothing of what is done in a turn.

import { withDeadline } from "./deadline.ts";

/** Hands out turns: whoever has a name's turn is alone with that name. */
export class NameLock {
  readonly #lastByName = new Map<string, Promise<unknown>>();

  /** Tells whether somebody has or awaits the turn of `name`. */
  isTaken(name: string): boolean {
    return this.#lastByName.has(name);
  }

  /** Takes the turns of all `names` at once; gives the end of the turn. Faults: timeout, at `endMs`. */
  async take(names: readonly string[], endMs: number): Promise<() => void> {
    let release = () => {};
    const mine = new Promise<void>((resolve) => release = resolve);
    const before = names.flatMap((name) => this.#lastByName.get(name) ?? []);
    const all = Promise.all([...before, mine]);
    // All names are queued in one go: two callers with the same names never wait for each other.
    for (const name of names) this.#lastByName.set(name, all);
    void all.then(() => this.#forget(names, all));
    try {
      const what = `port ${names[0]} was not free of an earlier change`;
      if (before.length > 0) await withDeadline(endMs, what, Promise.all(before));
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  #forget(names: readonly string[], all: Promise<unknown>): void {
    for (const name of names) {
      if (this.#lastByName.get(name) === all) this.#lastByName.delete(name);
    }
  }
}
