// Commits of this agent that are on their way: etcd's watches often report what they write before their answers come.
// That is no news. Whoever commits does itself what follows from it, and a reconciliation after each set-up would cost
// more than the set-up.

import type { CommitResult } from "../../store/store.ts";
import type { VersionedWrite } from "./versioned_map.ts";

// What set-ups, teardowns and reconciliations write. Who follows the state of the store needs to hear of all of it.
const OF_PODS = /^(attachments|endpoints|claims)\/|^members\/(?!~)/;

/** The open commits of one client. */
export class OwnCommits {
  /** By the keys that they write; each resolves with its revision, undefined where it failed. */
  readonly #open = new Map<string, Set<Promise<number | undefined>>>();

  /** Returns what `commit`, which writes `keys`, returns. Faults: those of `commit`. */
  async run(
    keys: readonly string[],
    commit: () => Promise<CommitResult>,
  ): Promise<CommitResult> {
    const ended = Promise.withResolvers<number | undefined>();
    for (const key of keys) this.#open.getOrInsertComputed(key, () => new Set()).add(ended.promise);
    try {
      const result = await commit();
      if (result.done) ended.resolve(result.revision);
      return result;
    } finally {
      ended.resolve(undefined);
      for (const key of keys) {
        const others = this.#open.get(key);
        others?.delete(ended.promise);
        if (others?.size === 0) this.#open.delete(key);
      }
    }
  }

  /** Reports whether all `changes` may turn out to be of open commits, and are of pods. */
  mayBeOwn(changes: readonly VersionedWrite[]): boolean {
    return changes.every(({ key }) => this.#open.has(key) && OF_PODS.test(key));
  }

  /** Reports whether all `changes` are of commits that were open when this was called; waits for their answers. */
  async areOwn(changes: readonly VersionedWrite[]): Promise<boolean> {
    const found = await Promise.all(changes.map(async ({ key, revision }) => {
      const revisions = await Promise.all(this.#open.get(key) ?? []);
      return revisions.includes(revision);
    }));
    return !found.includes(false);
  }
}
