// Several files of an intent as one. What has the same name in two files is one object: its keys may be in any of
// them, and the lists below it are joined. Pure.

import { foldKeys, type Notes } from "../intent/file/fold.ts";
import { Fault, oneLine } from "../util/errors.ts";

type Fields = Readonly<Record<string, unknown>>;

/** One intent, and where its parts come from. */
export interface MergedIntent {
  readonly intent: Fields;
  /** The objects, with canonical keys, that each object was made of, in order. */
  readonly originsOf: (object: object) => readonly object[];
  /** The values that were merged, with canonical keys. */
  readonly parts: readonly unknown[];
}

/** Lists whose elements are one object if they have the same name. */
const NAMED_LISTS: ReadonlySet<string> = new Set(["Hosts", "Tenants", "Networks"]);

/** Returns `values` as one intent with canonical keys; unknown keys are noted. Faults: usage. */
export function mergeIntents(values: readonly unknown[], notes: Notes): MergedIntent {
  const parts = values.map((value) => foldKeys("intent", value, "", notes));
  const other = parts.find((part) => !isObject(part));
  if (other !== undefined) {
    throw new Fault("usage", "intent is not an object", {
      why: `it is ${
        Array.isArray(other) ? "a list" : oneLine(JSON.stringify(other) ?? "empty", 40)
      }`,
      fix: 'see "k8contivnet intent example"',
    });
  }
  for (const [at, part] of parts.entries()) refuseStranger(values[at] as Fields, part as Fields);
  const origins = new Map<object, readonly object[]>();
  const intent = mergeObjects(parts as Fields[], "the intent", origins);
  return { intent, originsOf: (object) => origins.get(object) ?? [object], parts };
}

/** A file of something else would count as an empty intent. */
function refuseStranger(value: Fields, part: Fields): void {
  const keys = Object.keys(value);
  if (keys.length === 0 || Object.keys(part).length > 0) return;
  throw new Fault("usage", "one of the files has none of Hosts, Tenants, HostBindings", {
    why: `it has "${oneLine(keys.join(", "), 60)}"`,
    fix: 'see "k8contivnet intent example"',
  });
}

function mergeObjects(
  objects: readonly Fields[],
  title: string,
  origins: Map<object, readonly object[]>,
): Fields {
  const [first, ...others] = objects;
  if (first && others.length === 0 && !Object.keys(first).some((key) => NAMED_LISTS.has(key))) {
    return first;
  }
  const keys = new Set(objects.flatMap((one) => Object.keys(one)));
  const merged = Object.fromEntries([...keys].map((key) => {
    const values = objects.filter((one) => Object.hasOwn(one, key)).map((one) => one[key]);
    return [key, mergeValues(values, { key, title }, origins)];
  }));
  origins.set(merged, objects);
  return merged;
}

function mergeValues(
  values: readonly unknown[],
  { key, title }: { readonly key: string; readonly title: string },
  origins: Map<object, readonly object[]>,
): unknown {
  if (values.every((value) => Array.isArray(value))) {
    const all = values.flat();
    return NAMED_LISTS.has(key) ? mergeNamed(all, key, origins) : all;
  }
  const [first, ...others] = values;
  const text = JSON.stringify(first);
  const different = others.find((value) => JSON.stringify(value) !== text);
  if (different === undefined) return first;
  throw new Fault("usage", `${key} of ${title} differs between two files`, {
    why: `it is ${oneLine(text, 40)} and ${oneLine(JSON.stringify(different), 40)}`,
    fix: "leave it out of one of them",
  });
}

function mergeNamed(
  list: readonly unknown[],
  key: string,
  origins: Map<object, readonly object[]>,
): unknown[] {
  const groups = Map.groupBy(
    list,
    (one) => isObject(one) && one.Name !== undefined ? one.Name : {},
  );
  return [...groups.values()].flatMap((group) => {
    const objects = group.filter(isObject);
    if (objects.length < group.length) return group;
    const [{ Name } = {}] = objects;
    const title = `${key.slice(0, -1).toLowerCase()} ${oneLine(String(Name), 40)}`;
    return [mergeObjects(objects, title, origins)];
  });
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
