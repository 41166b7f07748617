// Help for narrow terminals: lines that are too long go on below themselves. Pure.

import { unicodeWidth } from "@std/cli/unicode-width";

// How far a line with columns goes on inside, where they leave no room.
const FURTHER = 4;
// Below this, lines of one word each are harder to read than long ones.
const NARROWEST = 40;

/**
 * Returns the text with no line wider than `width` columns, where its words allow it. A line goes on below its last
 * column (after two or more blanks) if it has some, else below its first word. Examples stay as they are.
 */
export function wrapped(text: string, width: number): string {
  const most = Math.max(width, NARROWEST);
  return text.split("\n").flatMap((line) => wrappedLine(line, most)).join("\n");
}

function wrappedLine(line: string, width: number): string[] {
  if (unicodeWidth(line) <= width || /^\s*e\.g\. /.test(line)) return [line];
  const [, columns = ""] = /^(\s*\S.*? {2,})\S/.exec(line) ?? [];
  const [blanks = ""] = /^\s*/.exec(line) ?? [];
  const hasColumns = columns.length > 0;
  const head = hasColumns && columns.length < width / 2 ? columns : blanks;
  const indent = head.length + (hasColumns && head === blanks ? FURTHER : 0);
  const lines: string[] = [];
  for (const word of line.slice(head.length).split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    const left = lines.length === 1 ? head.length : indent;
    if (lines.length > 0 && left + unicodeWidth(longer) <= width) {
      lines[lines.length - 1] = longer;
    } else lines.push(word);
  }
  return lines.map((one, at) => (at === 0 ? head : " ".repeat(indent)) + one);
}
