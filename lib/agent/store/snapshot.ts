// What was last known of a shared store, in a file of the state folder, so that an agent that starts while the store is
// unreachable can serve it. It may be out of date, and only the part of the store that this host needed.

import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Document } from "../../intent/records.ts";
import type { Known } from "./store_view.ts";

/** File access of Snapshot. */
export interface SnapshotFiles {
  read(path: string): Promise<string>;
  /** Replaces the file at once, so that a crash leaves the old or the new text. */
  replace(path: string, text: string): Promise<void>;
}

/** The snapshot file. */
export class Snapshot {
  readonly #path: string;
  readonly #log: Log;
  readonly #files: SnapshotFiles;
  #saved = -1;
  #hasFailed = false;

  constructor(stateDir: string, log: Log, files: SnapshotFiles = stateFiles) {
    this.#path = `${stateDir}/known.json`;
    this.#log = log;
    this.#files = files;
  }

  /** Returns what was saved; undefined if nothing was, or it cannot be read. */
  async load(): Promise<Known | undefined> {
    try {
      // Version 0.1.0 always knew, and saved, the whole store.
      const { documents, networks } = JSON.parse(await this.#files.read(this.#path));
      return {
        documents: new Map(Object.entries(documents as Record<string, Document>)),
        ...Array.isArray(networks) && { networks },
      };
    } catch {
      return undefined;
    }
  }

  /** Saves what is known at `revision`, if that is newer than what was saved. Never throws. */
  async save({ documents, networks }: Known, revision: number): Promise<void> {
    if (revision === this.#saved) return;
    try {
      const text = JSON.stringify({ networks, documents: Object.fromEntries(documents) });
      await this.#files.replace(this.#path, text);
      this.#saved = revision;
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) {
        this.#log.warn(`snapshot of the store not saved: ${faultFrom(error).message}`);
      }
      this.#hasFailed = true;
    }
  }
}

const stateFiles: SnapshotFiles = {
  read: (path) => Deno.readTextFile(path),
  replace: async (path, text) => {
    await Deno.writeTextFile(`${path}.new`, text, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  },
};
