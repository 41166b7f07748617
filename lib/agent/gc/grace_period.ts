// The grace period of missing sandboxes: a sandbox is released only if it was missing at every check for
// that long. Only time between checks counts: a clock that jumps, or an agent that was stopped for an
// hour, does not shorten it.

import type { SandboxState } from "./sandbox_liveness.ts";

// Most time that counts between two checks; while a sandbox is missing, checks come at least this often.
const MAX_STEP_MS = 10_000;

interface Missing {
  readonly missingMs: number;
  readonly seenAt: number;
}

/** Remembers for how long each attachment's sandbox has been missing. */
export class GracePeriod {
  readonly #missing = new Map<string, Missing>();
  readonly #graceMs: number;
  readonly #now: () => number;

  constructor(graceMs: number, now: () => number) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /**
   * Records the state of the sandbox of attachment `id`; reports whether to release it: at once if it is
   * `dead`, after the grace period if it is not `alive`.
   */
  isDue(id: string, state: SandboxState): boolean {
    if (state === "alive") {
      this.#missing.delete(id);
      return false;
    }
    if (state === "dead") return true;
    const before = this.#missing.get(id);
    const seenAt = this.#now();
    const passed = before ? Math.min(Math.max(seenAt - before.seenAt, 0), MAX_STEP_MS) : 0;
    const missingMs = (before?.missingMs ?? 0) + passed;
    this.#missing.set(id, { missingMs, seenAt });
    return before !== undefined && missingMs >= this.#graceMs;
  }

  /** Reports whether the sandbox of attachment `id` was missing at the last check. */
  isMarked(id: string): boolean {
    return this.#missing.has(id);
  }

  /**
   * Ends the grace period of all missing sandboxes; returns their attachment ids. They are released at the
   * next check if they are still missing.
   */
  expireAll(): string[] {
    for (const [id, missing] of this.#missing) {
      this.#missing.set(id, { ...missing, missingMs: this.#graceMs });
    }
    return [...this.#missing.keys()];
  }

  /** Returns the remaining milliseconds of the grace period of each missing sandbox, by attachment id. */
  remainingMs(): ReadonlyMap<string, number> {
    const left = ({ missingMs }: Missing) => Math.max(0, this.#graceMs - missingMs);
    return new Map([...this.#missing].map(([id, missing]) => [id, left(missing)]));
  }

  /** Forgets all but `ids`, the attachments that exist. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#missing.keys()) if (!ids.has(id)) this.#missing.delete(id);
  }

  /** Returns the milliseconds until the next check is due; undefined while nothing is missing. */
  nextDueMs(): number | undefined {
    if (this.#missing.size === 0) return undefined;
    const left = [...this.#missing.values()].map(({ missingMs }) => this.#graceMs - missingMs);
    return Math.min(Math.max(0, Math.min(...left)), MAX_STEP_MS);
  }
}
