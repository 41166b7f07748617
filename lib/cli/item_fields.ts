// Fields of items by path, for -o custom-columns, --sort-by and -l. Pure.

import type { Item } from "../agent/server/item_names.ts";
import { Fault } from "../util/errors.ts";

/** A column of `-o custom-columns`. */
export interface CustomColumn {
  readonly head: string;
  readonly path: string;
}

/** Returns what an item has at a path such as `pod.name`, `.addresses[0]` or `{.pod.name}`. */
export function fieldAt(item: Item, path: string): unknown {
  const keys = path.replace(/^\{(.*)\}$/, "$1").split(/[.[\]]+/).filter((key) => key !== "");
  return keys.reduce<unknown>(
    (at, key) => typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined,
    item,
  );
}

/** Returns a field as the text of a cell; `-` for nothing. */
export function cellText(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (Array.isArray(value)) return value.map(cellText).join(",") || "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Parses `HEAD:PATH,HEAD:PATH`. Faults: usage. */
export function parseColumns(text: string): CustomColumn[] {
  return text.split(",").map((column) => {
    const [, head, path] = /^([^:]+):(.+)$/.exec(column) ?? [];
    if (head && path) return { head, path };
    throw new Fault("usage", `custom column "${column.slice(0, 60)}" is refused`, {
      why: "it must be HEAD:FIELD",
      fix: "use one such as -o custom-columns=POD:pod.name,IP:addresses",
    });
  });
}

/** Returns the items in the order of a field, numbers by value and addresses by their parts. Faults: usage. */
export function sortedBy(items: readonly Item[], path: string): Item[] {
  if (items.length > 0 && items.every((item) => fieldAt(item, path) === undefined)) {
    throw new Fault("usage", `nothing has a field "${path.slice(0, 60)}"`, {
      fix: `fields: ${Object.keys(items[0] ?? {}).join(", ")}`,
    });
  }
  const text = (item: Item) => cellText(fieldAt(item, path));
  return [...items].sort((a, b) => text(a).localeCompare(text(b), "en", { numeric: true }));
}
