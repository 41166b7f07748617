// The column of sandbox ids in a table of attachments: as short as it can be.

import type { Item } from "../agent/server/item_names.ts";
import type { Column } from "./show_items.ts";

/** Digits, as `docker ps` shows them. */
const SHORT = 12;

/** Shows the first 12 digits of the sandbox id. */
export const shortSandbox = (item: Item): string => String(item.sandbox).slice(0, SHORT);

/** Returns the columns for a table of `items`, with as many digits of the sandbox ids as keep different ones apart. */
export function withSandboxesApart(
  columns: readonly Column[],
  items: readonly Item[],
): readonly Column[] {
  const ids = [...new Set(items.map(({ sandbox }) => String(sandbox)))].sort();
  // Sorted, the ids with the longest common beginning are neighbours.
  const digits = ids.reduce(
    (most, id, at) => Math.max(most, commonLength(id, ids[at - 1]) + 1),
    SHORT,
  );
  return columns.map(([head, cell]) =>
    cell === shortSandbox ? [head, ({ sandbox }) => String(sandbox).slice(0, digits)] : [head, cell]
  );
}

function commonLength(id: string, other = ""): number {
  let length = 0;
  while (length < id.length && id[length] === other[length]) length++;
  return length;
}
