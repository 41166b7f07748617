// How many set-ups came together lately, by network: as many may come again, as in a rollout or after a reboot. Pure.

/** Set-ups of one network within this time are one burst. */
const BURST_MS = 5_000;
/** A burst is remembered that long. */
const REMEMBERED_MS = 600_000;

interface Burst {
  readonly sinceMs: number;
  readonly count: number;
}

/** The bursts of a host's networks. */
export class BurstSizes {
  readonly #latest = new Map<string, Burst>();
  readonly #largest = new Map<string, Burst>();

  /** Notes a set-up in `network` at `nowMs`, a monotonic time. */
  note(network: string, nowMs: number): void {
    const before = this.#latest.get(network);
    const isSame = before !== undefined && nowMs - before.sinceMs < BURST_MS;
    const burst = isSame ? { ...before, count: before.count + 1 } : { sinceMs: nowMs, count: 1 };
    this.#latest.set(network, burst);
    if (burst.count >= this.of(network, nowMs)) this.#largest.set(network, burst);
  }

  /** Returns the number of set-ups in the largest burst that `network` had lately. */
  of(network: string, nowMs: number): number {
    const burst = this.#largest.get(network);
    if (burst && nowMs - burst.sinceMs < REMEMBERED_MS) return burst.count;
    this.#largest.delete(network);
    return 0;
  }
}
