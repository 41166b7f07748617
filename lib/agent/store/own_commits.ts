// Commits of this agent that are on their way. etcd's watches often report what they write before their answers come, and
// each part of the store by itself: an attachment without the endpoint that was bound to it by the same commit looks as if
// nobody wanted it. So what may be of such a commit waits for its answer, which brings all of it at once. Nobody is
// notified of that: whoever commits does what follows from it, and a reconciliation after each set-up would cost more
// than the set-up.

import type { VersionedWrite } from "./versioned_map.ts";

// What set-ups, teardowns and reconciliations write. Who follows the state of the store needs to hear of all of it.
const OF_PODS = /^(attachments|endpoints|claims)\/|^members\/(?!~)/;

/** An answer that is lost comes as a fault, much later: the store has said meanwhile what was written. */
const WAIT_MS = 1_000;

/** The open commits of one client. */
export class OwnCommits {
  /** By the keys that they write. */
  readonly #open = new Map<string, Set<Promise<void>>>();

  /** Returns what `commit`, which writes `keys` and takes over what was written, returns. Faults: those of `commit`. */
  async run<T>(keys: readonly string[], commit: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const key of keys) this.#open.getOrInsertComputed(key, () => new Set()).add(promise);
    try {
      return await commit();
    } finally {
      for (const key of keys) {
        const others = this.#open.get(key);
        others?.delete(promise);
        if (others?.size === 0) this.#open.delete(key);
      }
      resolve();
    }
  }

  /**
   * Resolves when the commits have ended that are open now and may have made some of `changes`, those of pods; at most a
   * second later. Undefined: there are none.
   */
  ended(changes: readonly VersionedWrite[]): Promise<void> | undefined {
    const open = changes.flatMap(({ key }) =>
      OF_PODS.test(key) ? [...this.#open.get(key) ?? []] : []
    );
    if (open.length === 0) return undefined;
    const all = Promise.all(new Set(open));
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, WAIT_MS);
    return Promise.race([all, late.promise]).then(() => clearTimeout(timer));
  }
}
