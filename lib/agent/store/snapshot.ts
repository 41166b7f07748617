// What this host last knew of a shared store, in a file of the state folder: so that an agent that
// starts while the store is away serves what it can. Never the truth, only the best that is known.

import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Document, Documents } from "../../intent/records.ts";

/** Documents by key, as a mirror has them. */
export type Known = Documents;

/** Keeps the file up to date. */
export class Snapshot {
  readonly #path: string;
  readonly #log: Log;
  #saved = -1;
  #hasFailed = false;

  constructor(stateDir: string, log: Log) {
    this.#path = `${stateDir}/known.json`;
    this.#log = log;
  }

  /** Returns what was saved; undefined where nothing was, or it cannot be read. */
  async load(): Promise<Known | undefined> {
    try {
      const { documents } = JSON.parse(await Deno.readTextFile(this.#path));
      return new Map(Object.entries(documents as Record<string, Document>));
    } catch {
      return undefined;
    }
  }

  /** Saves the documents of `revision`, if they are newer than what was saved. Never throws. */
  async save(documents: Known, revision: number): Promise<void> {
    if (revision === this.#saved) return;
    try {
      const text = JSON.stringify({ documents: Object.fromEntries(documents) });
      await Deno.writeTextFile(`${this.#path}.new`, text, { mode: 0o600 });
      await Deno.rename(`${this.#path}.new`, this.#path);
      this.#saved = revision;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) {
        this.#log.warn(`known records not saved: ${faultFrom(error).message}`);
      }
      this.#hasFailed = true;
    }
  }
}
