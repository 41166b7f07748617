// Which dropped packets are logged, and how often: one log entry for each kind (policy, both ends, protocol
// and port) when it first appears, then one for each interval in which it continues. Memory and log are
// bounded however many kinds there are, as in a port scan or a flood from many addresses: what is above
// the limit is only counted. Pure.

/** Kinds that are logged by themselves in one interval. */
const KINDS_LIMIT = 100;

interface Kind<R> {
  /** What is reported of it; made once. */
  readonly report: R;
  /** Packets since it was last logged. */
  count: number;
}

/** What is to be logged at the end of an interval. */
export interface Interval<R> {
  /** Kinds that continued after they had been logged. */
  readonly more: readonly { readonly report: R; readonly count: number }[];
  /** Packets of kinds above the limit. */
  readonly others: number;
  /** All packets of this interval and the one before. */
  readonly seen: number;
}

/** Drops of the current interval, with a report `R` of each kind. */
export class DropAggregator<R> {
  readonly #kinds = new Map<string, Kind<R>>();
  #others = 0;
  #total = 0;
  #totalBefore = 0;

  /** Counts a packet of kind `key`; returns what to report where that kind is new. */
  count(key: string, reportOf: () => R): R | undefined {
    this.#total++;
    const known = this.#kinds.get(key);
    if (known) known.count++;
    else if (this.#kinds.size >= KINDS_LIMIT) this.#others++;
    else {
      const report = reportOf();
      this.#kinds.set(key, { report, count: 0 });
      return report;
    }
    return undefined;
  }

  /** Ends the interval. A kind that continued is known in the next one; others are forgotten. */
  endInterval(): Interval<R> {
    const more = [...this.#kinds.values()].filter(({ count }) => count > 0)
      .map(({ report, count }) => ({ report, count }));
    const ended = { more, others: this.#others, seen: this.#totalBefore + this.#total };
    for (const [key, kind] of this.#kinds) {
      if (kind.count === 0) this.#kinds.delete(key);
      else kind.count = 0;
    }
    [this.#others, this.#totalBefore, this.#total] = [0, this.#total, 0];
    return ended;
  }

  /** Whether the end of the interval would change nothing. */
  get isEmpty(): boolean {
    return this.#kinds.size === 0 && this.#others === 0;
  }
}
