// Says what stands in the store and cannot be read: records of a newer version, documents of somebody
// else. They are left alone; all else goes on.

import { unreadableRecords } from "../../intent/audit.ts";
import type { Documents } from "../../intent/records.ts";
import { oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

// Of a store that is mostly a stranger's, these say enough.
const MOST_LINES = 20;

/** Returns a line for each record that cannot be read, the first ones of many. */
export function unreadableLines(documents: Documents): string[] {
  const found = unreadableRecords(documents);
  const lines = found.slice(0, MOST_LINES).map(({ name, why }) =>
    `record ${oneLine(name, 100)} is left alone: ${why}`
  );
  return found.length > MOST_LINES ? [...lines, `and ${found.length - MOST_LINES} more`] : lines;
}

/** Says each of them once in the log, and once more when it has become another. */
export class UnreadableRecords {
  readonly #log: Log;
  #said: ReadonlySet<string> = new Set();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Says what is new. */
  log(documents: Documents): void {
    const lines = unreadableLines(documents);
    for (const line of lines) if (!this.#said.has(line)) this.#log.warn(line);
    this.#said = new Set(lines);
  }
}
