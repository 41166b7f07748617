// Whether a store still has its content, asked before documents are taken away from what is known of it. A store that
// was lost is noticed by the watches of its parts one after the other, and nothing may rely on a mixture.

import { areIndexesComplete, indexKeys } from "../../intent/store_index.ts";
import { Coalesced } from "../../util/async/coalesced.ts";
import { pause } from "../../util/async/pause.ts";
import { isUnreachable } from "../../util/errors.ts";
import type { ViewSource } from "./store_view.ts";

const RETRY_MS = 1_000;

/** Asks whether a store still says that its indexes are complete. */
export class IntactCheck {
  readonly #source: ViewSource;
  readonly #onLost: () => void;
  readonly #checking = new Coalesced(() => this.#check());
  #isLost = false;

  /** `onLost` is called when the store does not say it any longer. */
  constructor(source: ViewSource, onLost: () => void) {
    this.#source = source;
    this.#onLost = onLost;
  }

  /** Whether the store has ever stopped saying so. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Asks now. Faults: unavailable, timeout. */
  run(): Promise<void> {
    return this.#checking.run();
  }

  /** Asks until the store answers, or `signal` aborts; reports whether it still says it. */
  async isIntact(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      try {
        await this.run();
        break;
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        await pause(RETRY_MS, signal);
      }
    }
    return !this.#isLost;
  }

  async #check(): Promise<void> {
    const { store, call } = this.#source;
    const state = await call(() => store.get(indexKeys.complete));
    if (this.#isLost || (state && areIndexesComplete(new Map([[state.key, state]])))) return;
    this.#isLost = true;
    this.#onLost();
  }
}
