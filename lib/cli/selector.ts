// `-l SELECTOR` of `get`: as kubectl's, on an item's labels and its own fields.

import { Fault } from "../util/errors.ts";
import type { Item } from "../agent/server/item_names.ts";
import { fieldAt } from "./item_fields.ts";

const REQUIREMENT =
  /^\s*(!?)\s*([\w./-]+)\s*(?:(==?|!=)\s*([^\s=!]*)|\s+(in|notin)\s*\(([^()]*)\))?\s*$/;

/** Returns a test for items by a selector such as `app=web,tenant!=t,host in (h1,h2),!pinned`. Faults: usage. */
export function parseSelector(text: string): (item: Item) => boolean {
  const tests = text.split(/,(?![^(]*\))/).map(parseRequirement);
  return (item) => tests.every((test) => test(item));
}

function parseRequirement(text: string): (item: Item) => boolean {
  const [all, not, key = "", sign, value = "", word, list = ""] = REQUIREMENT.exec(text) ?? [];
  if (all === undefined || (not && (sign ?? word) !== undefined)) {
    throw new Fault("usage", `selector "${text.slice(0, 60)}" is refused`, {
      why: "it must be KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY",
      fix: "use one such as -l tenant=shop,app!=db",
    });
  }
  if (sign === undefined && word === undefined) {
    return (item) => (valueOf(item, key) !== "") !== (not === "!");
  }
  const values = sign === undefined ? list.split(",").map((one) => one.trim()) : [value];
  const isWanted = sign !== "!=" && word !== "notin";
  return (item) => values.includes(valueOf(item, key)) === isWanted;
}

/** Returns an item's label, else its field; empty if it has neither. */
function valueOf(item: Item, key: string): string {
  const labels = item.labels as Readonly<Record<string, unknown>> | undefined;
  const value = labels?.[key] ?? fieldAt(item, key);
  return value === undefined || value === null ? "" : String(value);
}
