// Which dropped packets are logged, and how often: one log entry for each kind (policy, both ends, protocol
// and port) when it first appears, then one for each interval in which it continues. Memory and log are
// bounded however many kinds there are, as in a port scan or a flood from many addresses: what is above
// the limit is only counted. Pure.

/** Kinds that are logged by themselves in one interval. */
const KINDS_LIMIT = 100;

interface Kind {
  /** Its description; made once. */
  readonly words: string;
  /** Packets since it was last logged. */
  count: number;
}

/** What is to be logged at the end of an interval. */
export interface Interval {
  /** Kinds that continued after they had been logged. */
  readonly more: readonly { readonly words: string; readonly count: number }[];
  /** Packets of kinds above the limit. */
  readonly others: number;
  /** All packets of this interval and the one before. */
  readonly seen: number;
}

/** Drops of the current interval. */
export class DropAggregator {
  readonly #kinds = new Map<string, Kind>();
  #others = 0;
  #total = 0;
  #totalBefore = 0;

  /** Counts a packet of kind `key`; returns the text to log where that kind is new. */
  count(key: string, wordsOf: () => string): string | undefined {
    this.#total++;
    const known = this.#kinds.get(key);
    if (known) known.count++;
    else if (this.#kinds.size >= KINDS_LIMIT) this.#others++;
    else {
      const words = wordsOf();
      this.#kinds.set(key, { words, count: 0 });
      return words;
    }
    return undefined;
  }

  /** Ends the interval. A kind that continued is known in the next one; others are forgotten. */
  endInterval(): Interval {
    const more = [...this.#kinds.values()].filter(({ count }) => count > 0)
      .map(({ words, count }) => ({ words, count }));
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
