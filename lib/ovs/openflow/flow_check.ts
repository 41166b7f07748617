// Notices when flows differ from the expected ones: an operator deleted or added some, or a removal failed
// half way. They are only counted, from time to time; a difference triggers a reconciliation, which corrects
// them flow by flow. A flow that was replaced by another one is left to the periodic reconciliation.

import { ANTISPOOF_COOKIES } from "./cookies.ts";
import type { OpenFlowConnection } from "./openflow_connection.ts";
import { withDeadline } from "../../util/async/deadline.ts";

// ovs-vswitchd and agent together need some 0.2 ms for an answer (3.1, November 2026).
const EVERY_MS = 1_000;
const LIMIT_MS = 3_000;
const [FIRST_PAUSE, LAST_PAUSE] = [2, 60];

/** What a FlowCheck works with. */
export interface FlowCheckOptions {
  readonly connection: () => OpenFlowConnection | undefined;
  /** How many base and anti-spoofing flows there should be. */
  readonly expected: () => number;
  /** Called when the number differs twice in a row; while that stays so, less and less often. */
  readonly onDifference: () => void;
}

/** Counts from time to time until it is disposed. */
export class FlowCheck implements Disposable {
  readonly #options: FlowCheckOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #isCounting = false;
  #seen = "";
  /** Checks until a lasting difference is reported again, and how many that will be the next time. */
  #skip = 0;
  #pause = FIRST_PAUSE;

  constructor(options: FlowCheckOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#check(), EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    const connection = this.#options.connection();
    if (!connection || this.#isCounting) return;
    this.#isCounting = true;
    try {
      const endMs = performance.now() + LIMIT_MS;
      const count = connection.countFlows(ANTISPOOF_COOKIES);
      this.#compare(await withDeadline(endMs, "ovs-vswitchd did not count its flows", count));
    } catch {
      // A connection that broke notifies by itself when it is back.
    } finally {
      this.#isCounting = false;
    }
  }

  #compare(count: number): void {
    const expected = this.#options.expected();
    // Ports that are being added or removed differ for a moment; the same difference twice is not due to them.
    const difference = count === expected ? "" : `${count} of ${expected}`;
    const isSame = difference !== "" && difference === this.#seen;
    if (!isSame) [this.#skip, this.#pause] = [0, FIRST_PAUSE];
    else if (this.#skip > 0) this.#skip--;
    else {
      // The same numbers may be a new difference; one that no reconciliation fixes is reported less and less.
      [this.#skip, this.#pause] = [this.#pause, Math.min(2 * this.#pause, LAST_PAUSE)];
      this.#options.onDifference();
    }
    this.#seen = difference;
  }
}
