// `explain [FIELD]`: what a key of the intent means, from the schema that checks it.

import { Fault } from "../util/errors.ts";
import { nearest } from "./nearest.ts";
import { printLines, printValue, table } from "./output.ts";
import type { Command } from "./shell.ts";

/** A part of a JSON Schema, as far as the intent's uses it. */
interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly SchemaNode[];
}

/** One key of the intent. */
interface Field {
  /** `Tenants.Networks.PktTag` */
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
}

export const explain: Command = {
  usage: "explain [FIELD] [-o table|json|yaml|name]\n" +
    "  what a key of the intent means, by its name or path, in any case; without FIELD the keys at the top\n" +
    "  e.g. k8contivnet explain Tenants.Networks.PktTag",
  run: async (shell) => {
    const { args: [word, ...rest], options, output } = shell;
    if (rest.length > 0) {
      throw new Fault("usage", `explain got ${shell.args.length} arguments`, {
        fix: "explain [FIELD]",
      });
    }
    const { intentSchema } = await import("../intent/schema.ts");
    const all = fieldsBelow(intentSchema() as SchemaNode, "");
    const found = word === undefined ? [] : matching(all, word);
    const shown = word === undefined || found.length === 1
      ? [...found, ...all.filter(({ path }) => parentOf(path) === (found[0]?.path ?? ""))]
      : found;
    if (await printValue(shell, shown)) return;
    if (options.format === "name") return printLines(output, shown.map(({ path }) => path));
    output.data(table(["FIELD", "TYPE", "MEANING"], shown.map(rowOf)));
  },
};

function rowOf({ path, type, isRequired, description }: Field): string[] {
  return [path, isRequired ? `${type}, required` : type, description || "-"];
}

/** Returns the fields that a word names: by path, else by the end of their paths. Faults: not_found. */
function matching(all: readonly Field[], word: string): Field[] {
  const wanted = word.replace(/\[\d*\]/g, "").replace(/^\.|\.$/g, "").toLowerCase();
  const exact = all.filter(({ path }) => path.toLowerCase() === wanted);
  if (exact.length > 0) return exact;
  const ending = all.filter(({ path }) => path.toLowerCase().endsWith(`.${wanted}`));
  if (ending.length > 0) return ending;
  const near = nearest(wanted, all.map(({ path }) => (path.split(".").at(-1) ?? "").toLowerCase()));
  const meant = all.find(({ path }) => path.toLowerCase().split(".").at(-1) === near);
  throw new Fault("not_found", `an intent has no field "${word.slice(0, 60)}"`, {
    fix: meant ? `did you mean ${meant.path}?` : "see k8contivnet explain",
  });
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf(".")));
}

/** Returns the fields below a node, each followed by those below it. */
function fieldsBelow(node: SchemaNode, path: string): Field[] {
  const { properties = {}, required = [] } = node.items ?? node;
  return Object.entries(properties).flatMap(([key, child]) => {
    const own = path === "" ? key : `${path}.${key}`;
    const field = {
      path: own,
      type: typeOf(child),
      isRequired: required.includes(key),
      description: child.description ?? child.items?.description ?? "",
    };
    return [field, ...fieldsBelow(child, own)];
  });
}

function typeOf(node: SchemaNode): string {
  const { type, items, minimum, maximum } = node;
  if (items) return `list of ${typeOf(items)}`;
  if (node.enum) return node.enum.join("|");
  if (node.anyOf) return node.anyOf.map(typeOf).join(" or ");
  const name = typeof type === "string" ? type : type?.join(" or ") ?? "any";
  return minimum === undefined || maximum === undefined ? name : `${name} ${minimum}-${maximum}`;
}
