// A plan as lines of text. The first character of a line is the verb: + create, ~ update, - delete, or a space.

import { oneLine } from "../util/errors.ts";

/** The part of a plan that people see; the agent's answer to a plan has the same shape. */
export interface RenderedPlan {
  readonly operations: readonly {
    readonly verb: "create" | "update" | "delete";
    readonly kind: string;
    readonly name: string;
    readonly lines: readonly string[];
  }[];
  readonly warnings: readonly string[];
}

const SIGNS = { create: "+", update: "~", delete: "-" } as const;

/** Returns the lines of a plan without colour: warnings, each object with its changes, a sum. */
export function renderPlan({ operations, warnings }: RenderedPlan): string[] {
  const count = (verb: keyof typeof SIGNS) =>
    operations.filter((operation) => operation.verb === verb).length;
  const sum = `${count("create")} to create, ${count("update")} to update, ${
    count("delete")
  } to delete`;
  return [
    ...warnings.map((warning) => `! ${oneLine(warning, 200)}`),
    ...operations.flatMap(({ verb, kind, name, lines }) => [
      `${SIGNS[verb]} ${kind} ${name}`,
      ...lines.map((line) => `    ${line}`),
    ]),
    operations.length > 0 ? sum : "nothing to change",
  ];
}
