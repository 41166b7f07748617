// The one place where commands print: data to stdout, messages to stderr, tables, colours.

import { unicodeWidth } from "@std/cli/unicode-width";

/** Where a command prints; tests pass their own. */
export interface Output {
  /** Prints data to stdout; a newline is added where it is missing. */
  readonly data: (text: string) => void;
  /** Writes bytes to stdout as they are. */
  readonly bytes: (bytes: Uint8Array) => void;
  /** Prints one line of a message to stderr. */
  readonly message: (line: string) => void;
  /** Whether data may carry ANSI colours. */
  readonly hasColor: boolean;
  /** Whether stdout is a terminal. */
  readonly isTerminal: boolean;
  /** Reports whether the reader of stdout has closed it, as `| head` does: nobody reads on. */
  readonly isClosed: () => boolean;
}

/** Returns the output of this process. Coloured only on a terminal and without NO_COLOR. */
export function processOutput(wantsColor: boolean): Output {
  let isClosed = false;
  const isTerminal = Deno.stdout.isTerminal();
  const noColor = Deno.env.get("NO_COLOR") || Deno.env.get("TERM") === "dumb";
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const bytes = (some: Uint8Array) => {
    isClosed = !writeAll(Deno.stdout, some) || isClosed;
  };
  return {
    data: (text) => bytes(bytesOf(text.endsWith("\n") ? text : `${text}\n`)),
    bytes,
    message: (line) => void writeAll(Deno.stderr, bytesOf(`${line}\n`)),
    isClosed: () => isClosed,
    hasColor: wantsColor && !noColor && isTerminal,
    isTerminal,
  };
}

/** Writes all of it; reports whether somebody reads it. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): boolean {
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch (error) {
    // The reader closed the pipe, as `| head` does.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    return false;
  }
  return true;
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
