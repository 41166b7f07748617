// Links whose ports are removed are deleted after the answer: the kernel takes 20 ms for one, and hardly
// more for fifty at once.

import type { Links } from "../../net/links.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

// Long enough to collect a burst of teardowns, short enough that a new set-up in the same sandbox hardly
// waits.
const GATHER_MS = 25;

/** Collects links to delete and deletes them together. */
export class LinkRemovals {
  readonly #links: Links;
  readonly #log: Log;
  readonly #onLeft: () => void;
  #names: string[] = [];
  #round: Promise<void> | undefined;

  /** Calls `onLeft` if links are left for the next reconciliation. */
  constructor(links: Links, log: Log, onLeft: () => void) {
    this.#links = links;
    this.#log = log;
    this.#onLeft = onLeft;
  }

  /** Deletes `names` soon; resolves when they are deleted, or left for the next reconciliation. */
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
