// A tenant's groups and policies in words, item by item: `policy p1 rule 2: Protocol: any → tcp`. Each rule is an
// item of its policy. Pure.

import { ruleText, type WrittenRule } from "../rule_text.ts";
import { isSame } from "../../util/same_json.ts";
import { changedText, valueText } from "./value_text.ts";

type Written = Readonly<Record<string, unknown>>;

/** What is known of a list of items: the field of the record, their word, and the key of their names. */
interface ItemList {
  readonly field: "groups" | "policies";
  readonly label: "Groups" | "Policies";
  readonly word: "group" | "policy";
}

/** The fields of a tenant that are lists of items. */
export const ITEM_LISTS: readonly ItemList[] = [
  { field: "groups", label: "Groups", word: "group" },
  { field: "policies", label: "Policies", word: "policy" },
];

/** Returns the lines of the groups and policies of a new tenant, or of those that differ in a changed one. */
export function itemLines(before: object | undefined, after: object): string[] {
  return ITEM_LISTS.flatMap(({ field, label, word }) => {
    const [had, has] = [before && Reflect.get(before, field), Reflect.get(after, field)];
    if (isSame(had, has)) return [];
    const [old, now] = [byName(had, "Name"), byName(has, "Name")];
    // Another version's form: the lists as they are.
    if (!old || !now) return [`${label}: ${changedText(had, has)}`];
    const lines = differing(word, old, now, before === undefined ? "" : "+ ");
    return lines.length > 0 ? lines : [`${label}: in another order`];
  });
}

/** Returns the items by name; undefined if a list does not have names that are unique. */
function byName(list: unknown, key: string): ReadonlyMap<string, Written> | undefined {
  if (list === undefined) return new Map();
  if (!Array.isArray(list)) return undefined;
  const items = new Map<string, Written>();
  for (const item of list) {
    const name = typeof item === "object" && item !== null ? Reflect.get(item, key) : undefined;
    if (name === undefined || items.has(String(name))) return undefined;
    items.set(String(name), item);
  }
  return items;
}

function differing(
  word: string,
  old: ReadonlyMap<string, Written>,
  now: ReadonlyMap<string, Written>,
  sign: string,
): string[] {
  const gone = [...old.keys()].filter((name) => !now.has(name))
    .map((name) => `- ${word} ${name}`);
  const lines = [...now].flatMap(([name, item]) => {
    const known = old.get(name);
    const title = `${word} ${name}`;
    return known ? fieldLines(title, known, item) : newLines(`${sign}${title}`, item);
  });
  return [...gone, ...lines];
}

/** Returns the lines of a new item: its fields in one, and its rules below it. */
function newLines(title: string, item: Written): string[] {
  const rules = byName(item.Rules, "Id");
  const fields = Object.entries(item)
    .filter(([key]) => key !== "Name" && !(rules && key === "Rules"))
    .map(([key, value]) => `${key} ${listText(value)}`).join(", ");
  return [
    fields === "" ? title : `${title}: ${fields}`,
    ...[...rules ?? []].map(([id, rule]) => `${title} rule ${id}: ${ruleText(rule)}`),
  ];
}

/** Returns the lines of the fields and rules that differ. */
function fieldLines(title: string, had: Written, has: Written): string[] {
  const keys = new Set([...Object.keys(had), ...Object.keys(has)]);
  return [...keys].flatMap((key) => {
    if (isSame(had[key], has[key])) return [];
    const [old, now] = [byName(had[key], "Id"), byName(has[key], "Id")];
    if (key !== "Rules" || !old || !now) {
      return [`${title}: ${key}: ${changedText(had[key], has[key])}`];
    }
    const lines = ruleLines(title, old, now);
    return lines.length > 0 ? lines : [`${title}: Rules: in another order`];
  });
}

function ruleLines(
  title: string,
  old: ReadonlyMap<string, WrittenRule>,
  now: ReadonlyMap<string, WrittenRule>,
): string[] {
  const gone = [...old].filter(([id]) => !now.has(id))
    .map(([id, rule]) => `- ${title} rule ${id}: ${ruleText(rule)}`);
  const lines = [...now].flatMap(([id, rule]) => {
    const known = old.get(id);
    if (!known) return [`+ ${title} rule ${id}: ${ruleText(rule)}`];
    const keys = new Set([...Object.keys(known), ...Object.keys(rule)]);
    return [...keys].filter((key) => !isSame(known[key], rule[key]))
      .map((key) =>
        `${title} rule ${id}: ${key}: ${changedText(known[key], rule[key], absent(key))}`
      );
  });
  return [...gone, ...lines];
}

/** Returns what a rule without a key means. */
function absent(key: string): string {
  return key === "Priority" ? "1" : "any";
}

function listText(value: unknown): string {
  return Array.isArray(value) ? value.map(valueText).join(",") || "none" : valueText(value);
}
