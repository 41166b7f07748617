// The one place where commands print: data to stdout, words to stderr, tables, colours.

import { unicodeWidth } from "@std/cli/unicode-width";

/** Where a command's words go; tests hand in their own. */
export interface Output {
  /** Data, with its newline. */
  readonly data: (text: string) => void;
  /** One line of words. */
  readonly words: (line: string) => void;
  readonly hasColor: boolean;
}

/** Returns the process's own output. Colour only where a person looks and NO_COLOR is not set. */
export function processOutput(wantsColor: boolean): Output {
  const noColor = Deno.env.get("NO_COLOR") || Deno.env.get("TERM") === "dumb";
  return {
    data: (text) => writeAll(Deno.stdout, text.endsWith("\n") ? text : `${text}\n`),
    words: (line) => writeAll(Deno.stderr, `${line}\n`),
    hasColor: wantsColor && !noColor && Deno.stdout.isTerminal(),
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  } catch (error) {
    // The reader had enough, as `| head` has.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

const COLORS = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

/** Returns `text` in a colour where the output has any. */
export function paint({ hasColor }: Output, color: keyof typeof COLORS, text: string): string {
  return hasColor ? `\x1b[${COLORS[color]}m${text}\x1b[0m` : text;
}

/** Prints lines in one write: of a large plan there are tens of thousands. */
export function printLines({ data }: Output, lines: readonly string[]): void {
  if (lines.length > 0) data(lines.join("\n"));
}

/** Returns rows as aligned columns under their heads, two blanks apart. */
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
