// Whose turn it is: commits of one client that meet in a key are done in the order in which they were
// asked, though each goes by a connection of its own; the others side by side. Two that only check a
// key do not meet in it.

// Enough to keep etcd busy, few enough for its connections.
const MOST_AT_ONCE = 32;

/** What a commit does with keys. */
export interface CommitKeys {
  readonly checks: readonly string[];
  readonly writes: readonly string[];
}

/** The last that were asked with a key. */
interface Last {
  writer: Promise<void> | undefined;
  /** Those that checked it since. */
  readonly checkers: Set<Promise<void>>;
}

/** Lets work on the same keys happen in order, and not too much at once. */
export class CommitScheduler {
  readonly #lastByKey = new Map<string, Last>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Runs `work` when all that was asked before and meets it in a key has ended. */
  async run<T>(uses: CommitKeys, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#lineUp(uses, promise);
    try {
      await Promise.all(before);
      return await this.#atOnce(work);
    } finally {
      this.#leave(uses, promise);
      resolve();
    }
  }

  #lineUp({ checks, writes }: CommitKeys, mine: Promise<void>): Promise<void>[] {
    const before: Promise<void>[] = [];
    const written = new Set(writes);
    for (const key of written) {
      const last = this.#lastByKey.get(key);
      before.push(...last?.checkers ?? [], ...last?.writer ? [last.writer] : []);
      this.#lastByKey.set(key, { writer: mine, checkers: new Set() });
    }
    for (const key of checks) {
      if (written.has(key)) continue;
      const last = this.#lastByKey.get(key) ?? { writer: undefined, checkers: new Set() };
      if (last.writer) before.push(last.writer);
      last.checkers.add(mine);
      this.#lastByKey.set(key, last);
    }
    return before;
  }

  #leave({ checks, writes }: CommitKeys, mine: Promise<void>): void {
    for (const key of [...checks, ...writes]) {
      const last = this.#lastByKey.get(key);
      if (!last) continue;
      last.checkers.delete(mine);
      if (last.writer === mine) last.writer = undefined;
      if (!last.writer && last.checkers.size === 0) this.#lastByKey.delete(key);
    }
  }

  async #atOnce<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // Who waits takes the place over; it is never free in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
