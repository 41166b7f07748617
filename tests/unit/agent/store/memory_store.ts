// A store in memory for what works on a mirror.

import type { Check, Entry, Store, WatchBatch, Write } from "../../../../lib/store/store.ts";
import { checkCommitLimits } from "../../../../lib/store/store.ts";

/** A store in memory whose watch tells what the test hands it. */
export class MemoryStore implements Store {
  readonly entries = new Map<string, Entry>();
  revision = 0;
  batches: WatchBatch[] = [];

  get(key: string) {
    return Promise.resolve(this.entries.get(key));
  }
  list() {
    return Promise.resolve({ entries: [...this.entries.values()], revision: this.revision });
  }
  commit(checks: readonly Check[], writes: readonly Write[]) {
    checkCommitLimits(checks, writes);
    const bad = checks.find(({ key, revision }) =>
      (this.entries.get(key)?.revision ?? 0) !== revision
    );
    if (bad) return Promise.resolve({ done: false as const, conflict: bad.key });
    this.revision++;
    for (const { key, value } of writes) {
      if (value === undefined) this.entries.delete(key);
      else this.entries.set(key, { key, value, revision: this.revision });
    }
    return Promise.resolve({ done: true as const, revision: this.revision });
  }
  onDrained = () => {};
  async *watch() {
    yield* this.batches.splice(0);
    await Promise.resolve();
    this.onDrained();
  }
  close() {
    return Promise.resolve();
  }
}
