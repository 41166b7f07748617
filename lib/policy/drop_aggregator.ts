// Which drops are told, and how often: one line for each kind (policy, both ends, protocol and port)
// when it comes, then one for each interval that it goes on. However many kinds there are, a port scan
// or a flood from all over, memory and lines stay bounded: what is too much is only counted. Pure.

/** Kinds that are told apart in one interval. */
const MOST = 100;

interface Kind {
  /** What of it is said; made once. */
  readonly words: string;
  /** Since it was told last. */
  count: number;
}

/** What an interval leaves to be told. */
export interface Interval {
  /** Kinds that went on after they had been told. */
  readonly more: readonly { readonly words: string; readonly count: number }[];
  /** Packets of kinds that had no place. */
  readonly others: number;
  /** All packets that were heard of in this interval and the one before. */
  readonly heard: number;
}

/** Drops of the interval that is under way. */
export class DropAggregator {
  readonly #kinds = new Map<string, Kind>();
  #others = 0;
  #total = 0;
  #former = 0;

  /** Counts a packet; gives the words to tell where its kind is new. */
  take(key: string, wordsOf: () => string): string | undefined {
    this.#total++;
    const known = this.#kinds.get(key);
    if (known) known.count++;
    else if (this.#kinds.size >= MOST) this.#others++;
    else {
      const words = wordsOf();
      this.#kinds.set(key, { words, count: 0 });
      return words;
    }
    return undefined;
  }

  /** Ends the interval. A kind that has gone on is known in the next one; others are forgotten. */
  turn(): Interval {
    const more = [...this.#kinds.values()].filter(({ count }) => count > 0)
      .map(({ words, count }) => ({ words, count }));
    const told = { more, others: this.#others, heard: this.#former + this.#total };
    for (const [key, kind] of this.#kinds) {
      if (kind.count === 0) this.#kinds.delete(key);
      else kind.count = 0;
    }
    [this.#others, this.#former, this.#total] = [0, this.#total, 0];
    return told;
  }

  /** Whether there is nothing that an interval's end would change. */
  get isEmpty(): boolean {
    return this.#kinds.size === 0 && this.#others === 0;
  }
}
