// The two clocks that code is handed, so that a test can hand over its own.

/** Reads time. */
export interface Clock {
  /** Monotonic milliseconds: for durations. */
  readonly now: () => number;
  /** Milliseconds of the epoch, by a clock that people can set: for what is stored. */
  readonly wallMs: () => number;
}

/** The clocks of this machine. */
export const systemClock: Clock = { now: () => performance.now(), wallMs: () => Date.now() };
