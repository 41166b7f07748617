// A log in memory, for tests.

import type { Log, LogFields, LogLevel } from "../../lib/util/log.ts";

/** Keeps all lines as `level words field=value`. */
export class MemoryLog implements Log {
  readonly lines: string[] = [];

  error = (words: string, fields?: LogFields) => this.#add("error", words, fields);
  warn = (words: string, fields?: LogFields) => this.#add("warn", words, fields);
  info = (words: string, fields?: LogFields) => this.#add("info", words, fields);
  debug = (words: string, fields?: LogFields) => this.#add("debug", words, fields);

  #add(level: LogLevel, words: string, fields: LogFields = {}): void {
    const parts = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
    this.lines.push(`${level} ${words}${parts.join("")}`);
  }
}
