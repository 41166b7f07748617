// Retries of a request to the agent, while it is unavailable.

import { Fault } from "../util/errors.ts";

/** The clock that retries go by. */
export interface RetryClock {
  /** Milliseconds since any fixed time. */
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

const PROCESS_CLOCK: RetryClock = {
  now: () => performance.now(),
  pause: (ms) => new Promise((done) => setTimeout(done, ms)),
};

/**
 * Returns for how many milliseconds the launcher has waited for the agent, by the variable K8CONTIVNET_WAITED: they are a
 * part of the limit.
 */
export function launcherWaitMs(variable: string | undefined): number {
  return /^\d{1,4}$/.test(variable ?? "") ? Number(variable) * 1_000 : 0;
}

/** What differs between callers. */
export interface RetryOptions<T> {
  /** Reports whether an answer counts. The last one is returned in any case. */
  readonly isFinal?: (answer: T) => boolean;
  readonly clock?: RetryClock;
}

/**
 * Retries `attempt` while it fails as unavailable or its answer is not final, for `limitMs` in all; it gets the time
 * that is left, of at least a second. Faults: those of the last attempt.
 */
export async function repeatedly<T>(
  limitMs: number,
  attempt: (leftMs: number) => Promise<T>,
  { isFinal = () => true, clock = PROCESS_CLOCK }: RetryOptions<T> = {},
): Promise<T> {
  const end = clock.now() + limitMs;
  for (let pauseMs = 50;; pauseMs = Math.min(1_000, pauseMs * 2)) {
    const started = clock.now();
    // The next attempt will take about as long as this one did.
    const canWait = () => clock.now() + pauseMs + (clock.now() - started) < end;
    try {
      const answer = await attempt(Math.max(1_000, Math.ceil(end - started)));
      if (isFinal(answer) || !canWait()) return answer;
    } catch (error) {
      if (!(error instanceof Fault && error.code === "unavailable" && canWait())) throw error;
    }
    await clock.pause(pauseMs);
  }
}
