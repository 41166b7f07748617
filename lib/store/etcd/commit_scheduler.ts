// Orders the commits of one client: commits that share a key run in the order in which they were
// requested, though each uses a connection of its own; all others run in parallel. Two commits that only
// check a key do not share it.

// Enough to keep etcd busy, few enough for its connections.
const MAX_PARALLEL = 32;

/** The keys that a commit checks and writes. */
export interface CommitKeys {
  readonly checks: readonly string[];
  readonly writes: readonly string[];
}

/** The latest commits that share a key. */
interface Latest {
  writer: Promise<void> | undefined;
  /** Commits that checked it since. */
  readonly checkers: Set<Promise<void>>;
}

/** Runs work on the same keys in order, and limits how much runs in parallel. */
export class CommitScheduler {
  readonly #latestByKey = new Map<string, Latest>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Runs `work` once all earlier work that shares a key with it has ended. */
  async run<T>(uses: CommitKeys, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#enqueue(uses, promise);
    try {
      await Promise.all(before);
      return await this.#withinLimit(work);
    } finally {
      this.#dequeue(uses, promise);
      resolve();
    }
  }

  #enqueue({ checks, writes }: CommitKeys, mine: Promise<void>): Promise<void>[] {
    const before: Promise<void>[] = [];
    const written = new Set(writes);
    for (const key of written) {
      const last = this.#latestByKey.get(key);
      before.push(...last?.checkers ?? [], ...last?.writer ? [last.writer] : []);
      this.#latestByKey.set(key, { writer: mine, checkers: new Set() });
    }
    for (const key of checks) {
      if (written.has(key)) continue;
      const last = this.#latestByKey.get(key) ?? { writer: undefined, checkers: new Set() };
      if (last.writer) before.push(last.writer);
      last.checkers.add(mine);
      this.#latestByKey.set(key, last);
    }
    return before;
  }

  #dequeue({ checks, writes }: CommitKeys, mine: Promise<void>): void {
    for (const key of [...checks, ...writes]) {
      const last = this.#latestByKey.get(key);
      if (!last) continue;
      last.checkers.delete(mine);
      if (last.writer === mine) last.writer = undefined;
      if (!last.writer && last.checkers.size === 0) this.#latestByKey.delete(key);
    }
  }

  async #withinLimit<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_PARALLEL) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      // A waiting commit takes over the slot, so that no other gets in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
