// The one place where commands print: data to stdout, messages and progress to stderr, tables, colours.

import { unicodeWidth } from "@std/cli/unicode-width";
import { Fault, systemWords } from "../util/errors.ts";

/** Where a command prints; tests pass their own. */
export interface Output {
  /** Prints data to stdout; a newline is added where it is missing. */
  readonly data: (text: string) => void;
  /** Writes bytes to stdout as they are. */
  readonly bytes: (bytes: Uint8Array) => void;
  /** Prints one line of a message to stderr. */
  readonly message: (line: string) => void;
  /** Prints one line to stderr that --quiet leaves out: a summary, or what goes on. */
  readonly note: (line: string) => void;
  /**
   * Shows a line below all others until something else is printed; an empty one removes it. Absent where stderr is not
   * a terminal, and with --quiet.
   */
  readonly progress?: (line: string) => void;
  /** Removes what stands in the last line of a terminal: progress, and the sign of Ctrl-C. */
  readonly clearLine?: () => void;
  /** Whether data may carry ANSI colours. */
  readonly hasColor: boolean;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  /** Columns of the terminal; Infinity if there is none. */
  readonly width: number;
  /** Reports whether the reader of stdout has closed it, as `| head` does: nobody reads on. */
  readonly isClosed: () => boolean;
}

/** Returns the output of this process. Coloured only on a terminal and without NO_COLOR. */
export function processOutput(
  { wantsColor = false, isQuiet = false, whileWriting = (write) => write() }: {
    readonly wantsColor?: boolean;
    readonly isQuiet?: boolean;
    /** Does a write, which blocks while the reader has stopped. */
    readonly whileWriting?: <T>(write: () => T) => T;
  } = {},
): Output {
  let [isClosed, hasProgress] = [false, false];
  const isTerminal = Deno.stdout.isTerminal();
  const isDumb = Deno.env.get("TERM") === "dumb";
  const isErrorTerminal = Deno.stderr.isTerminal();
  const hasCursor = !isDumb && isErrorTerminal;
  const toError = (text: string) => {
    const write = () => writeAll(Deno.stderr, new TextEncoder().encode(text));
    try {
      // Progress on a terminal must not take a signal from work that is ending by itself.
      if (isErrorTerminal) write();
      else whileWriting(write);
    } catch {
      // The exit code is all that is left.
    }
  };
  const progress = (line: string) => {
    if (line !== "") toError(`\r${line}\x1b[K`);
    else if (hasProgress) toError(CLEAR);
    hasProgress = line !== "";
  };
  const bytes = (some: Uint8Array) => {
    progress("");
    isClosed = !whileWriting(() => writeAll(Deno.stdout, some)) || isClosed;
  };
  const message = (line: string) => {
    progress("");
    toError(`${line}\n`);
  };
  return {
    data: (text) => bytes(new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`)),
    ...{ bytes, message, note: isQuiet ? () => {} : message },
    ...hasCursor ? { clearLine: () => toError(CLEAR) } : {},
    ...hasCursor && !isQuiet ? { progress } : {},
    isClosed: () => isClosed,
    hasColor: wantsColor && !Deno.env.get("NO_COLOR") && !isDumb && isTerminal,
    ...{ isTerminal, width: columns() },
  };
}

const CLEAR = "\r\x1b[K";
const USUAL_WIDTH = 80;

/** A terminal that does not know its size has the usual width. */
function columns(): number {
  try {
    return Deno.consoleSize().columns || USUAL_WIDTH;
  } catch {
    return Infinity;
  }
}

/** Writes all of it; reports whether somebody reads it. Faults: failed. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): boolean {
  for (let done = 0; done < bytes.length;) {
    try {
      done += stream.writeSync(bytes.subarray(done));
    } catch (cause) {
      // The reader closed the pipe, as `| head` does.
      if (cause instanceof Deno.errors.BrokenPipe) return false;
      // Somebody has made the pipe non-blocking, and its reader is slow.
      if (cause instanceof Deno.errors.WouldBlock) sleep(FULL_PIPE_MS);
      else {
        throw new Fault("failed", "the output cannot be written", {
          why: systemWords(cause),
          fix: "write it to another place",
          cause,
        });
      }
    }
  }
  return true;
}

const FULL_PIPE_MS = 5;

/** Waits without letting other work begin. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Prints `value` where the format is json or yaml; reports whether it is. */
export async function printValue(
  { options: { format }, output }: {
    readonly options: { readonly format: string };
    readonly output: Output;
  },
  value: unknown,
): Promise<boolean> {
  if (format !== "json" && format !== "yaml") return false;
  const json = JSON.stringify(value, null, 2);
  output.data(format === "json" ? json : await yamlOf(json));
  return true;
}

/** Returns JSON as YAML, on one page without anchors; text that an older YAML reads as something else is quoted. */
export async function yamlOf(json: string): Promise<string> {
  const { dump } = await import("js-yaml");
  return dump(JSON.parse(json), { noRefs: true, lineWidth: -1 }).trimEnd();
}

const COLORS = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

/** Returns `text` in a colour, where the output has colours. */
export function paint({ hasColor }: Output, color: keyof typeof COLORS, text: string): string {
  return hasColor ? `\x1b[${COLORS[color]}m${text}\x1b[0m` : text;
}

/** Prints lines in one write: a large plan has tens of thousands. */
export function printLines({ data }: Output, lines: readonly string[]): void {
  if (lines.length > 0) data(lines.join("\n"));
}

/** Returns rows as aligned columns below their heads, two blanks apart; wide characters count twice. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows];
  const widths = heads.map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, unicodeWidth(line[column] ?? "")), 0)
  );
  return lines.map((line) =>
    line.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - unicodeWidth(cell)))
      .join("  ").trimEnd()
  ).join("\n");
}

/** Reports whether this process has a terminal for input, output or messages. */
export function hasTerminal(): boolean {
  return [Deno.stdin, Deno.stdout, Deno.stderr].some((stream) => stream.isTerminal());
}
