// `-l SELECTOR` of `get`: as kubectl's, on an item's fields and labels. A word that is a field of the kind means that
// field; another one the label, unless it is near the name of a field; `labels.KEY` always the label.

import type { Item } from "../agent/server/item_names.ts";
import { Fault, oneLine } from "../util/errors.ts";
import { fieldAt } from "./item_fields.ts";
import { INNER_FIELDS, ITEM_FIELDS } from "./item_kinds.ts";
import { nearest } from "./nearest.ts";

const REQUIREMENT =
  /^\s*(!?)\s*([\w./-]+)\s*(?:(==?|!=)\s*([^\s=!]*)|\s+(in|notin)\s*\(([^()]*)\))?\s*$/;

/** Prefix of a word that is a label, whatever it is called. */
const LABEL = "labels.";

/** One part of a selector. */
interface Requirement {
  /** As it was typed: a field, or a label. */
  readonly key: string;
  /** Tests what an item has there; nothing where it has nothing. */
  readonly test: (values: readonly string[]) => boolean;
}

/**
 * Returns what chooses items of `kind` by a selector such as `app=web,tenant!=t,host in (h1,h2),!pinned`. Its first call
 * refuses words that must be misspelled fields, and warns of labels that no item has. Faults: usage.
 */
export function createSelector(
  kind: string,
  text: string,
  warn: (line: string) => void = () => {},
): (items: readonly Item[]) => readonly Item[] {
  const requirements = text.split(/,(?![^(]*\))/).map(parseRequirement);
  let isChecked = false;
  return (items) => {
    if (!isChecked) { for (const { key } of requirements) checkKey(kind, key, items, warn); }
    isChecked = true;
    return items.filter((item) =>
      requirements.every(({ key, test }) => test(valuesOf(kind, item, key)))
    );
  };
}

function parseRequirement(text: string): Requirement {
  const [all, not, key = "", sign, value = "", word, list = ""] = REQUIREMENT.exec(text) ?? [];
  if (all === undefined || (not && (sign ?? word) !== undefined)) {
    throw new Fault("usage", `selector "${text.slice(0, 60)}" is refused`, {
      why: "it must be KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY",
      fix: "use one such as -l tenant=shop,app!=db",
    });
  }
  if (sign === undefined && word === undefined) {
    return { key, test: (values) => (values.length > 0) !== (not === "!") };
  }
  const wanted = sign === undefined ? list.split(",").map((one) => one.trim()) : [value];
  const isWanted = sign !== "!=" && word !== "notin";
  const isIn = (values: readonly string[]) =>
    wanted.some((one) =>
      one === "" ? values.length === 0 : values.some((has) => isEqual(has, one))
    );
  return { key, test: (values) => isIn(values) === isWanted };
}

const ADDRESS = /^\d+\.\d+\.\d+\.\d+(?=(\/\d+)?$)/;

/** Addresses are equal with and without a prefix length. */
function isEqual(has: string, wanted: string): boolean {
  if (has === wanted) return true;
  if (has.includes("/") === wanted.includes("/")) return false;
  const address = ADDRESS.exec(has)?.[0];
  return address !== undefined && address === ADDRESS.exec(wanted)?.[0];
}

/** Returns what an item has for a word, each member of a list; nothing where it is empty. */
function valuesOf(kind: string, item: Item, key: string): string[] {
  const value = isField(kind, key) ? fieldAt(item, key) : labelIn(item, labelOf(key));
  return (Array.isArray(value) ? value : [value])
    .filter((one) => one !== undefined && one !== null && one !== "")
    .map((one) => typeof one === "object" ? JSON.stringify(one) : String(one));
}

function labelIn(item: Item, label: string): unknown {
  const labels = labelsOf(item);
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}

function labelOf(key: string): string {
  return key.startsWith(LABEL) ? key.slice(LABEL.length) : key;
}

function labelsOf({ labels }: Item): Readonly<Record<string, unknown>> {
  return (labels ?? {}) as Readonly<Record<string, unknown>>;
}

function isField(kind: string, key: string): boolean {
  if (key.startsWith(LABEL)) return false;
  const [root = ""] = key.split(/[.[]/);
  if (!(ITEM_FIELDS[kind] ?? []).includes(root)) return false;
  const inner = (INNER_FIELDS[kind] ?? []).filter((one) => one.startsWith(`${root}.`));
  return root === key || inner.length === 0 || inner.includes(key);
}

/** Faults: usage. */
function checkKey(
  kind: string,
  key: string,
  items: readonly Item[],
  warn: (line: string) => void,
): void {
  if (key.startsWith(LABEL) || isField(kind, key)) return;
  if (items.some((item) => Object.hasOwn(labelsOf(item), key))) return;
  const fields = fieldsOf(kind);
  const near = nearest(key, fields);
  const known = ITEM_FIELDS[kind] ?? [];
  const hasLabels = known.includes("labels");
  const shown = oneLine(key, 60);
  if (hasLabels && near === undefined && !known.includes(key.split(/[.[]/)[0] ?? "")) {
    return warn(`warning: none of the ${kind} has the label "${shown}", nor is that a field`);
  }
  throw new Fault("usage", `${kind} have no field "${shown}"`, {
    why: hasLabels ? "and none of them has such a label" : undefined,
    fix: [
      near === undefined ? "" : `did you mean ${near}? `,
      `fields: ${fields.join(", ")}`,
      hasLabels ? `; for the label, write ${LABEL}${shown}` : "",
    ].join(""),
  });
}

/** Returns the words that select fields of a kind. */
export function fieldsOf(kind: string): string[] {
  const inner = INNER_FIELDS[kind] ?? [];
  return (ITEM_FIELDS[kind] ?? []).flatMap((field) => {
    const below = inner.filter((one) => one.startsWith(`${field}.`));
    return below.length > 0 ? below : [field];
  });
}
