// Links whose ports are gone are taken away after the answer: the kernel needs 20 ms for one, and
// hardly more for fifty at once.

import type { Links } from "../../net/links.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

// Long enough for a burst of teardowns to come together, short enough that a pod that is set up
// again in the same sandbox hardly waits.
const GATHER_MS = 25;

/** Gathers links that are to go and removes them together. */
export class LinkRemovals {
  readonly #links: Links;
  readonly #log: Log;
  readonly #onLeft: () => void;
  #names: string[] = [];
  #round: Promise<void> | undefined;

  /** `onLeft` is called when links were left for a look. */
  constructor(links: Links, log: Log, onLeft: () => void) {
    this.#links = links;
    this.#log = log;
    this.#onLeft = onLeft;
  }

  /** Removes `names` soon; resolves when they are gone, or were left for the next look. */
  add(names: readonly string[]): Promise<void> {
    if (names.length === 0) return Promise.resolve();
    this.#names.push(...names);
    this.#round ??= this.#removeSoon();
    return this.#round;
  }

  async #removeSoon(): Promise<void> {
    await new Promise((done) => setTimeout(done, GATHER_MS));
    const names = this.#names;
    this.#names = [];
    this.#round = undefined;
    try {
      await this.#links.removeLinks(names);
    } catch (error) {
      this.#log.error(`links not removed: ${faultFrom(error).message}`, { links: names.length });
      this.#onLeft();
    }
  }
}
