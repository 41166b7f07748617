// Logs one line per event to standard error, as text or JSON. Never a secret: callers pass names and numbers.

/** Levels, the most severe first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** Fields of a line besides its message; undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes lines of the configured level and of more severe ones. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
}

/** Creates a Log; `write` gets whole lines without the newline. */
export function createLog(
  { level = "info", format = "text", write = writeStderr }: {
    readonly level?: LogLevel;
    readonly format?: "text" | "json";
    readonly write?: (line: string) => void;
  } = {},
): Log {
  const most = LOG_LEVELS.indexOf(level);
  const at = (severity: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (LOG_LEVELS.indexOf(severity) > most) return;
    const time = new Date().toISOString();
    write(
      format === "json"
        ? JSON.stringify({ time, level: severity, words: message, ...fields })
        : `${time} ${severity.padEnd(5)} ${message}${textFields(fields)}`,
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
    // Standard error was closed; the agent goes on without it.
  }
}
