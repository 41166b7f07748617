// Sandboxes that are gone: marked, looked at again and again, and released only when they were missing
// at each look for the grace time. What counts is time in which somebody looked: a clock that jumps,
// or an agent that was stopped for an hour, makes nobody's sandbox older.

import type { SandboxState } from "./sandbox_liveness.ts";

// So much counts between two looks at most; while something is marked they come at least as often.
const LONGEST_STEP_MS = 10_000;

interface Mark {
  readonly missingMs: number;
  readonly seenAt: number;
}

/** Remembers for how long each attachment's sandbox has been missing. */
export class GracePeriod {
  readonly #marks = new Map<string, Mark>();
  readonly #graceMs: number;
  readonly #now: () => number;

  constructor(graceMs: number, now: () => number) {
    this.#graceMs = graceMs;
    this.#now = now;
  }

  /**
   * Notes what became of the sandbox of attachment `id`; reports whether it is to be released: one
   * that is `dead` at once, any other that is not `alive` after the grace time.
   */
  isDue(id: string, fate: SandboxState): boolean {
    if (fate === "alive") {
      this.#marks.delete(id);
      return false;
    }
    if (fate === "dead") return true;
    const mark = this.#marks.get(id);
    const seenAt = this.#now();
    const passed = mark ? Math.min(Math.max(seenAt - mark.seenAt, 0), LONGEST_STEP_MS) : 0;
    const missingMs = (mark?.missingMs ?? 0) + passed;
    this.#marks.set(id, { missingMs, seenAt });
    return mark !== undefined && missingMs >= this.#graceMs;
  }

  /** Reports whether the sandbox of attachment `id` was missing at the last look. */
  isMarked(id: string): boolean {
    return this.#marks.has(id);
  }

  /**
   * Ends the grace time of what is marked; gives those ids. They are released at the next look if they
   * are missing then, too.
   */
  hasten(): string[] {
    for (const [id, mark] of this.#marks) {
      this.#marks.set(id, { ...mark, missingMs: this.#graceMs });
    }
    return [...this.#marks.keys()];
  }

  /** Returns the milliseconds for which each marked sandbox still has to be missing, by attachment id. */
  left(): ReadonlyMap<string, number> {
    const left = ({ missingMs }: Mark) => Math.max(0, this.#graceMs - missingMs);
    return new Map([...this.#marks].map(([id, mark]) => [id, left(mark)]));
  }

  /** Forgets all but `ids`: what is no attachment any more needs no mark. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of this.#marks.keys()) if (!ids.has(id)) this.#marks.delete(id);
  }

  /** Returns the milliseconds until the next look is due; undefined while nothing is marked. */
  nextDueMs(): number | undefined {
    if (this.#marks.size === 0) return undefined;
    const left = [...this.#marks.values()].map(({ missingMs }) => this.#graceMs - missingMs);
    return Math.min(Math.max(0, Math.min(...left)), LONGEST_STEP_MS);
  }
}
