// Prints items of `get` in the format that the options name, once or as they change.

import { type Item, namesOf } from "../agent/server/item_names.ts";
import { cellText, fieldAt, parseColumns } from "./item_fields.ts";
import { paint, printLines, printValue, table } from "./output.ts";
import type { Shell } from "./shell.ts";
import type { ItemChange } from "./watch_items.ts";

/** A column: its head, and the text of its cell for an item. */
export type Column = readonly [head: string, cell: (item: Item) => string];

/** Prints the items; `what` names them where there is none. */
export async function showItems(
  shell: Shell,
  what: string,
  columns: readonly Column[],
  items: readonly Item[],
): Promise<void> {
  const { output } = shell;
  if (await printValue(shell, items)) return;
  if (shell.options.format === "name") return printLines(output, items.map(nameOf));
  if (items.length === 0) return output.note(`no ${what}`);
  const shown = columnsOf(shell, columns);
  output.data(table(shown.map(([head]) => head), items.map((item) => cellsOf(shown, item))));
}

/** Returns what prints changes: the first call all items below their heads, later ones what has changed. */
export function changePrinter(
  shell: Shell,
  columns: readonly Column[],
): (changes: readonly ItemChange[]) => void {
  const { output, options: { format } } = shell;
  const shown = columnsOf(shell, columns);
  const heads = ["", ...shown.map(([head]) => head)];
  let first: string[][] | undefined;
  return (changes) => {
    if (format === "json" || format === "yaml") {
      return printLines(output, changes.map((one) => JSON.stringify(one)));
    }
    if (format === "name") {
      return printLines(output, changes.map(({ sign, item }) => `${sign} ${nameOf(item)}`));
    }
    const rows = changes.map(({ sign, item }) => [sign, ...cellsOf(shown, item)]);
    // As wide as the first rows are, so that later ones are below them.
    const lines = table(heads, [...first ?? [], ...rows]).split("\n");
    const own = lines.slice(1 + (first?.length ?? 0));
    const colored = own.map((line, at) => paint(output, COLORS[changes[at]?.sign ?? "+"], line));
    printLines(output, first ? colored : [lines[0] ?? "", ...own]);
    first ??= rows;
  };
}

const COLORS = { "+": "green", "~": "yellow", "-": "red" } as const;

function columnsOf({ options }: Shell, columns: readonly Column[]): readonly Column[] {
  if (options.format !== "columns") return columns;
  return parseColumns(options.columns)
    .map(({ head, path }): Column => [head, (item) => cellText(fieldAt(item, path))]);
}

function cellsOf(columns: readonly Column[], item: Item): string[] {
  return columns.map(([, cell]) => cell(item));
}

function nameOf(item: Item): string {
  if (item.tenant === undefined && item.namespace && item.name) {
    return `${item.namespace}/${item.name}`;
  }
  const names = namesOf(item);
  return names[1] ?? names[0] ?? String(item.at ?? "");
}
