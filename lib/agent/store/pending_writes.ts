// Writes made on this host while the store was unreachable: replayed later, if the records that they were
// based on have not changed. Pure except for the two calls that it is passed.

import type { Check, CommitResult, Json, Write } from "../../store/store.ts";

/** One change with the records that it was based on. */
interface Group {
  /** Revision by key. */
  readonly checks: Map<string, number>;
  readonly writes: Map<string, Json | undefined>;
}

/** Changes that the store does not have yet, by group. */
export class PendingWrites {
  readonly #groups = new Map<string, Group>();

  get size(): number {
    return this.#groups.size;
  }

  /** Adds a change to `group`; the first check of each key counts, as the store was not written since. */
  add(group: string, checks: readonly Check[], writes: readonly Write[]): void {
    const pending = this.#groups.get(group) ?? { checks: new Map(), writes: new Map() };
    this.#groups.set(group, pending);
    for (const { key, revision } of checks) {
      if (!pending.checks.has(key)) pending.checks.set(key, revision);
    }
    for (const { key, value } of writes) pending.writes.set(key, value);
  }

  /** All writes that are not committed, with the revisions that they were based on. */
  *writes(): Generator<Write & { readonly revision: number }> {
    for (const { checks, writes } of this.#groups.values()) {
      for (const [key, value] of writes) yield { key, value, revision: checks.get(key) ?? 0 };
    }
  }

  /** Forgets a key that has been written since. */
  forget(key: string): void {
    for (const [name, { writes }] of this.#groups) {
      writes.delete(key);
      if (writes.size === 0) this.#groups.delete(name);
    }
  }

  /**
   * Commits each group; returns the groups that were dropped because their records have changed
   * meanwhile, after calling `onDropped` with their keys. Faults: those of `commit`; the rest stays
   * pending.
   */
  async replay(
    commit: (checks: readonly Check[], writes: readonly Write[]) => Promise<CommitResult>,
    onDropped: (keys: readonly string[]) => Promise<void>,
  ): Promise<string[]> {
    const dropped: string[] = [];
    for (const [name, { checks, writes }] of [...this.#groups]) {
      const result = await commit(
        [...checks].map(([key, revision]) => ({ key, revision })),
        [...writes].map(([key, value]) => ({ key, value })),
      );
      this.#groups.delete(name);
      if (result.done) continue;
      dropped.push(name);
      await onDropped([...writes.keys()]);
    }
    return dropped;
  }
}
