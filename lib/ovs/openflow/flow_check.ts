// Notices when flows are not those that should be there: somebody deleted or added some by hand, or a
// removal failed half way. One number is asked for every now and then; a difference only says "look
// again", which makes them right flow by flow. A flow that was exchanged for another one is left to
// the timed look.

import { ANTISPOOF_COOKIES } from "./cookies.ts";
import type { OpenFlowConnection } from "./openflow_connection.ts";
import { withDeadline } from "../../util/async/deadline.ts";

// ovs-vswitchd and agent together need some 0.2 ms for an answer (3.1, November 2026).
const EVERY_MS = 1_000;
const LIMIT_MS = 3_000;
const [FIRST_PAUSE, LAST_PAUSE] = [2, 60];

/** What a check works with. */
export interface FlowCheckOptions {
  readonly connection: () => OpenFlowConnection | undefined;
  /** How many base and guard flows there should be. */
  readonly wanted: () => number;
  /** Called when there are others twice in a row; while that stays so, ever more seldom. */
  readonly differ: () => void;
}

/** Counts now and then until it is disposed. */
export class FlowCheck implements Disposable {
  readonly #options: FlowCheckOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #isCounting = false;
  #seen = "";
  /** Checks until a difference that stays is told again, and how many that will be the next time. */
  #left = 0;
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
      this.#judge(await withDeadline(endMs, "ovs-vswitchd did not count", count));
    } catch {
      // A connection that broke rings by itself when it is back.
    } finally {
      this.#isCounting = false;
    }
  }

  #judge(count: number): void {
    const wanted = this.#options.wanted();
    // Ports that come or go are a difference for a moment; one that is the same twice is none of them.
    const words = count === wanted ? "" : `${count} of ${wanted}`;
    const isSame = words !== "" && words === this.#seen;
    if (!isSame) [this.#left, this.#pause] = [0, FIRST_PAUSE];
    else if (this.#left > 0) this.#left--;
    else {
      // The same numbers may be a new difference; one that no look mends is told ever more seldom.
      [this.#left, this.#pause] = [this.#pause, Math.min(2 * this.#pause, LAST_PAUSE)];
      this.#options.differ();
    }
    this.#seen = words;
  }
}
