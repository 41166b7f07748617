// YAML texts: their values, and the place of each part of them. Loaded only for YAML, and to find the place of an
// error: the package takes 30 ms to load, and 1.4 s for a MB of text (yaml 2.9.1).

import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from "yaml";
import { Fault, oneLine } from "../util/errors.ts";
import { type IntentSource, sourceName } from "./read_intent_file.ts";

/** Line and column, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One document of a text. */
export interface YamlDocument {
  /** Returns its value. Faults: usage. */
  readonly value: () => unknown;
  /** Its root. */
  readonly root: Node | null;
  readonly placeOf: (node: Node) => Place;
}

// Characters.
const LIMIT = 1024 * 1024;

/** Returns the documents of a text, which may also be JSON. Faults: usage, with line and column. */
export function yamlDocuments({ name: path, text }: IntentSource): YamlDocument[] {
  const name = sourceName(path);
  if (text.length > LIMIT) {
    throw new Fault("usage", `${name} is too large for YAML`, {
      why: `it has more than ${LIMIT / 2 ** 20} MB`,
      fix: "use JSON, or several files",
    });
  }
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true } as const;
  const documents = parseAllDocuments(text, options);
  if (!Array.isArray(documents) || documents.length === 0) {
    throw new Fault("usage", `${name} is empty`, { fix: 'write "{}" for an empty intent' });
  }
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return documents.map((document) => {
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem) throw notYaml(name, place(problem.pos[0]), problem.message);
    return {
      value: () => valueOf(name, () => document.toJS({ maxAliasCount: 100 })),
      root: document.contents,
      placeOf: (node) => place(node.range?.[0] ?? 0),
    };
  });
}

function valueOf(name: string, read: () => unknown): unknown {
  try {
    const value = read();
    JSON.stringify(value, (_key, one) => {
      if (typeof one !== "number" || Number.isFinite(one)) return one;
      throw new TypeError(`${one} is not a number that an intent can have`);
    });
    return value;
  } catch (cause) {
    throw new Fault("usage", `${name} is not accepted as YAML`, {
      why: oneLine(cause instanceof Error ? cause.message : String(cause)),
      fix: 'compare with "k8contivnet intent example"',
      cause,
    });
  }
}

function notYaml(name: string, { line, column }: Place, message: string): Fault {
  return new Fault("usage", `${name} is not valid YAML at line ${line}, column ${column}`, {
    why: oneLine(message),
    fix: 'compare with "k8contivnet intent example"',
  });
}

/** Returns what is below `node` at `key`: an index, or a key that `isKey` recognises. */
export function childOf(
  node: unknown,
  key: string | number,
  isKey: (spelled: string) => boolean,
): Node | undefined {
  if (typeof key === "number") return isSeq<Node>(node) ? node.items[key] : undefined;
  if (!isMap<Node, Node>(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && isKey(String(key.value)));
  return pair?.value ?? pair?.key;
}
