// One changed object as lines, marked as in a diff.

import { type Output, paint } from "./output.ts";

/** A changed object: what is done, to what, and its fields as lines. */
export interface ShownChange {
  readonly verb: "create" | "update" | "delete";
  readonly kind: string;
  readonly name: string;
  readonly lines: readonly string[];
}

const SIGNS = { create: ["+", "green"], update: ["~", "yellow"], delete: ["-", "red"] } as const;

/** Returns the lines of a change, each after `indent`. */
export function changeLines(
  output: Output,
  { verb, kind, name, lines }: ShownChange,
  indent = "",
): string[] {
  const [sign, color] = SIGNS[verb];
  return [
    indent + paint(output, color, `${sign} ${kind} ${name}`),
    ...lines.map((line) => `${indent}    ${line}`),
  ];
}
