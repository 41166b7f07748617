// The place of an error in the user's files: which file, line and column. The error names a path such as
// Tenants[0].Networks[1].PktTag, in the intent that the files were merged into.

import type { Node } from "yaml";
import { OTHER_SPELLINGS } from "../intent/file/fields.ts";
import { Fault } from "../util/errors.ts";
import { mergeIntents } from "./merge_intents.ts";
import { type IntentSource, sourceName } from "./read_intent_file.ts";
import { childOf, type YamlDocument, yamlDocuments } from "./yaml_documents.ts";

const PATH = /\b(?:Hosts|InfraNetworks|Tenants|HostBindings)\b(?:\[\d+\]|\.\w+)*/;

/** The agent does not know the file's name. */
const NOT_JSON = /^intent is(?= not valid JSON)/;

/** Returns the fault with its place before it; the same fault where its place is not known. */
export function placedFault(fault: Fault, sources: readonly IntentSource[]): Fault {
  const [only, ...others] = sources;
  if (only && others.length === 0 && NOT_JSON.test(fault.what)) {
    const { code, what, why, fix } = fault;
    return new Fault(code, what.replace(NOT_JSON, `${sourceName(only.name)} is`), {
      ...{ why, fix, cause: fault },
    });
  }
  const path = fault.code === "usage" ? PATH.exec(fault.what)?.[0] : undefined;
  const place = path === undefined ? undefined : placeOf(keysOf(path), sources);
  if (place === undefined) return fault;
  const { code, what, why, fix } = fault;
  return new Fault(code, `${place}: ${what}`, { why, fix, cause: fault });
}

function keysOf(path: string): (string | number)[] {
  return path.split(/[.[\]]+/).filter(Boolean).map((key) => /^\d+$/.test(key) ? Number(key) : key);
}

/** A part of a source: its node in the text, and the value with canonical keys. */
interface Part {
  readonly node: Node;
  readonly document: YamlDocument;
  readonly file: string;
}

function placeOf(
  keys: readonly (string | number)[],
  sources: readonly IntentSource[],
): string | undefined {
  try {
    const documents = sources.flatMap((source) =>
      yamlDocuments(source).map((document) => ({ document, file: sourceName(source.name) }))
    );
    const values = documents.map(({ document }) => document.value());
    const merged = mergeIntents(values, { warnings: [], strict: false });
    const partOf = new Map<unknown, Part>();
    for (const [at, { document, file }] of documents.entries()) {
      if (document.root) note(partOf, merged.parts[at], { node: document.root, document, file });
    }
    const found = deepest(merged.intent, keys, { partOf, originsOf: merged.originsOf });
    if (!found) return undefined;
    const { line, column } = found.document.placeOf(found.node);
    return `${found.file}, line ${line}, column ${column}`;
  } catch {
    return undefined; // the fault itself is what matters
  }
}

/** Records the part of each object and list below `value`. */
function note(partOf: Map<unknown, Part>, value: unknown, part: Part): void {
  if (typeof value !== "object" || value === null) return;
  partOf.set(value, part);
  for (const [key, child] of Object.entries(value)) {
    const node = childOf(part.node, Array.isArray(value) ? Number(key) : key, isSpelling(key));
    if (node) note(partOf, child, { ...part, node });
  }
}

const OTHERS = Object.values(OTHER_SPELLINGS).flatMap((one) => Object.entries(one));

/** Returns a test for the spellings of a canonical key. */
function isSpelling(key: string): (spelled: string) => boolean {
  const known = [key, ...OTHERS.filter(([, one]) => one === key).map(([spelled]) => spelled)]
    .map((one) => one.toLowerCase());
  return (spelled) => known.includes(spelled.toLowerCase());
}

/** Returns the part that `keys` lead to in `value`, or the last one on the way that the files have. */
function deepest(
  value: unknown,
  keys: readonly (string | number)[],
  { partOf, originsOf }: {
    readonly partOf: ReadonlyMap<unknown, Part>;
    readonly originsOf: (object: object) => readonly object[];
  },
): Part | undefined {
  let found: Part | undefined;
  let at = value;
  for (const key of [...keys, undefined]) {
    if (typeof at !== "object" || at === null) break;
    const parts = originsOf(at).flatMap((one) => partOf.get(one) ?? []);
    found = parts[0] ?? found;
    if (key === undefined) break;
    for (const part of parts) {
      const node = childOf(part.node, key, isSpelling(String(key)));
      if (node) found = { ...part, node };
    }
    at = Reflect.get(at, key);
  }
  return found;
}
