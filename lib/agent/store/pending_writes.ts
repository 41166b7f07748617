// What was done here while the store was away: told to it later, compared with what each record was
// when it was done. Pure but for the two calls that it is handed.

import type { Check, CommitResult, Json, Write } from "../../store/store.ts";

/** One change, with all that it was made from. */
interface Group {
  /** Revision by key. */
  readonly checks: Map<string, number>;
  readonly writes: Map<string, Json | undefined>;
}

/** Changes that the store does not have yet, by what they belong to. */
export class PendingWrites {
  readonly #groups = new Map<string, Group>();

  get size(): number {
    return this.#groups.size;
  }

  /** Adds a change to `group`; what the group checked first counts, as nothing was written since. */
  add(group: string, checks: readonly Check[], writes: readonly Write[]): void {
    const held = this.#groups.get(group) ?? { checks: new Map(), writes: new Map() };
    this.#groups.set(group, held);
    for (const { key, revision } of checks) {
      if (!held.checks.has(key)) held.checks.set(key, revision);
    }
    for (const { key, value } of writes) held.writes.set(key, value);
  }

  /** Forgets a key that was written since, by whatever way. */
  forget(key: string): void {
    for (const [name, { writes }] of this.#groups) {
      writes.delete(key);
      if (writes.size === 0) this.#groups.delete(name);
    }
  }

  /**
   * Tells the store, a group a commit, until all are told; gives the groups that have to yield, as
   * their records moved meanwhile. Faults: of `commit`; what was not told stays.
   */
  async replay(
    commit: (checks: readonly Check[], writes: readonly Write[]) => Promise<CommitResult>,
    yielding: (keys: readonly string[]) => Promise<void>,
  ): Promise<string[]> {
    const yielded: string[] = [];
    for (const [name, { checks, writes }] of [...this.#groups]) {
      const result = await commit(
        [...checks].map(([key, revision]) => ({ key, revision })),
        [...writes].map(([key, value]) => ({ key, value })),
      );
      this.#groups.delete(name);
      if (result.done) continue;
      yielded.push(name);
      await yielding([...writes.keys()]);
    }
    return yielded;
  }
}
