// Reports documents of the store that cannot be read: records of a newer version, documents of another
// program. They are left alone; everything else works on.

import { unreadableRecords } from "../../intent/audit.ts";
import type { Documents } from "../../intent/records.ts";
import { oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

// Enough for a store that is mostly used by another program.
const MAX_LINES = 20;

/** Returns a line for each record that cannot be read, the first ones of many. */
export function unreadableLines(documents: Documents): string[] {
  const found = unreadableRecords(documents);
  const lines = found.slice(0, MAX_LINES).map(({ name, why }) =>
    `record ${oneLine(name, 100)} is left alone: ${why}`
  );
  return found.length > MAX_LINES ? [...lines, `and ${found.length - MAX_LINES} more`] : lines;
}

/** Logs each of them once, and again when its reason changes. */
export class UnreadableRecords {
  readonly #log: Log;
  #logged: ReadonlySet<string> = new Set();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Logs what is new. */
  log(documents: Documents): void {
    const lines = unreadableLines(documents);
    for (const line of lines) if (!this.#logged.has(line)) this.#log.warn(line);
    this.#logged = new Set(lines);
  }
}
