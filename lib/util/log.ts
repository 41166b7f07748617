// One line per event on standard error, as text or JSON. No secrets: callers pass names and numbers.

/** Levels, the loudest first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** What a line may carry beside its words. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes lines of the wanted level and louder. */
export interface Log {
  error(words: string, fields?: LogFields): void;
  warn(words: string, fields?: LogFields): void;
  info(words: string, fields?: LogFields): void;
  debug(words: string, fields?: LogFields): void;
}

/** Makes a Log; `write` gets whole lines without the newline. */
export function createLog(
  { level = "info", format = "text", write = writeStderr }: {
    readonly level?: LogLevel;
    readonly format?: "text" | "json";
    readonly write?: (line: string) => void;
  } = {},
): Log {
  const loudest = LOG_LEVELS.indexOf(level);
  const at = (wanted: LogLevel) => (words: string, fields: LogFields = {}) => {
    if (LOG_LEVELS.indexOf(wanted) > loudest) return;
    const time = new Date().toISOString();
    write(
      format === "json"
        ? JSON.stringify({ time, level: wanted, words, ...fields })
        : `${time} ${wanted.padEnd(5)} ${words}${textFields(fields)}`,
    );
  };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

function textFields(fields: LogFields): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? quote(value) : value}`)
    .join("");
}

function quote(value: string): string {
  return /^[\w.:/@%+-]+$/.test(value) ? value : JSON.stringify(value);
}

function writeStderr(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  try {
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // Nobody reads our standard error any more; the work goes on.
  }
}
