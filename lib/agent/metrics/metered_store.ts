// A store whose requests are measured, and how far its watch is behind the commits of this agent: what other hosts
// commit has no time that this host could compare with its own clock.

import type { Store, WatchBatch } from "../../store/store.ts";
import type { Histogram } from "./series.ts";

/** Most commits that are remembered until the watch reports them: while it hangs, the oldest ones count. */
const MOST_COMMITS = 1_000;

/** Commits that the watch has not reported. */
export class WatchLag {
  readonly #delays: Pick<Histogram, "observe">;
  readonly #now: () => number;
  #commits: { readonly revision: number; readonly atMs: number }[] = [];
  /** Revision up to which the watch has reported everything. */
  #reported = 0;

  /** `now` returns monotonic milliseconds. */
  constructor(delays: Pick<Histogram, "observe">, now: () => number) {
    this.#delays = delays;
    this.#now = now;
  }

  /** Age of the oldest commit that the watch has not reported, in seconds; 0 if there is none. */
  get seconds(): number {
    const [oldest] = this.#commits;
    return oldest ? (this.#now() - oldest.atMs) / 1_000 : 0;
  }

  /** Notes a commit. The watch may have reported it before its answer came. */
  committed(revision: number): void {
    if (revision <= this.#reported) return this.#delays.observe(0);
    if (this.#commits.length < MOST_COMMITS) this.#commits.push({ revision, atMs: this.#now() });
  }

  /** Notes that a watch starts: it reports nothing up to that revision. In a store that was restored that is lower. */
  started(revision: number): void {
    this.#reported = revision;
    this.#commits = this.#commits.filter((one) => one.revision > revision);
  }

  /** Notes that the watch cannot report what came last: everything is read again. */
  lost(): void {
    this.#commits = [];
  }

  /** Notes that the watch has reported everything up to `revision`. */
  reported(revision: number): void {
    this.#reported = Math.max(this.#reported, revision);
    const isDone = (one: { readonly revision: number }) => one.revision <= revision;
    for (const { atMs } of this.#commits.filter(isDone)) {
      this.#delays.observe((this.#now() - atMs) / 1_000);
    }
    this.#commits = this.#commits.filter((one) => !isDone(one));
  }
}

/** Returns `store`, whose requests go to `requests` and whose commits and watch to `lag`. */
export function meteredStore(
  store: Store,
  { requests, lag, now }: {
    readonly requests: Pick<Histogram, "observe">;
    readonly lag: WatchLag;
    readonly now: () => number;
  },
): Store {
  const timed = async <T>(operation: string, call: () => Promise<T>): Promise<T> => {
    const startMs = now();
    let result = "failed";
    try {
      const answer = await call();
      result = "ok";
      return answer;
    } finally {
      requests.observe((now() - startMs) / 1_000, operation, result);
    }
  };
  return {
    get: (key) => timed("get", () => store.get(key)),
    list: (prefix, onPage) => timed("list", () => store.list(prefix, onPage)),
    count: (prefixes) => timed("count", () => store.count(prefixes)),
    commit: async (checks, writes, options) => {
      const result = await timed("commit", () => store.commit(checks, writes, options));
      if (result.done) lag.committed(result.revision);
      return result;
    },
    persist: () => timed("persist", () => store.persist()),
    watch: (prefix, revision, signal) =>
      observed(store.watch(prefix, revision, signal), revision, lag),
    watermark: () => timed("watermark", () => store.watermark()),
    close: () => store.close(),
  };
}

async function* observed(
  batches: AsyncIterable<WatchBatch>,
  revision: number,
  lag: WatchLag,
): AsyncGenerator<WatchBatch> {
  lag.started(revision);
  for await (const batch of batches) {
    if (batch.kind === "compacted") lag.lost();
    else lag.reported(batch.revision);
    yield batch;
  }
}
