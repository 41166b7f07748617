// Reads the intent that a user names: JSON or YAML, one file or several, folders, standard input. Several become
// one intent: hosts, tenants and networks of one name are one.

import { INTENT_BYTES } from "../agent/api/intent_requests.ts";
import { parseJson } from "../intent/file/parse_json.ts";
import { Fault } from "../util/errors.ts";
import { mergeIntents } from "./merge_intents.ts";
import {
  type IntentSource,
  isStandardInput,
  readIntentFile,
  sourceName,
} from "./read_intent_file.ts";

/** An intent as it was given. */
export interface IntentInput {
  /** The intent as JSON. */
  readonly text: string;
  /** Names of its files, for people. */
  readonly name: string;
  readonly warnings: readonly string[];
  /** Returns a fault about the intent with the place in its file: line and column. */
  readonly placed: (fault: Fault) => Promise<Fault>;
}

/** Options of reading. */
export interface IntentInputOptions {
  /** Unknown keys are refused instead of warned of. */
  readonly strict: boolean;
}

/** Returns the intent in files and folders. Faults: usage, not_found, failed. */
export async function readIntentFiles(
  paths: readonly string[],
  options: IntentInputOptions,
): Promise<IntentInput> {
  if (paths.filter(isStandardInput).length > 1) {
    throw new Fault("usage", "standard input is named twice", { fix: "name it once" });
  }
  const names = (await Promise.all(paths.map(filesAt))).flat();
  const sources: IntentSource[] = [];
  for (const name of names) sources.push({ name, text: await readIntentFile(name) });
  return await intentOf(sources, options);
}

/** Returns the intent of texts. Faults: usage. */
export async function intentOf(
  sources: readonly IntentSource[],
  { strict }: IntentInputOptions,
): Promise<IntentInput> {
  const placed = async (fault: Fault) =>
    (await import("./intent_places.ts")).placedFault(fault, sources);
  const name = sources.map((one) => sourceName(one.name)).join(", ");
  const [only, ...others] = sources;
  if (only && others.length === 0 && !isYaml(only)) {
    return { text: only.text, name, warnings: [], placed };
  }
  const values = [];
  for (const source of sources) values.push(...await valuesOf(source));
  if (values.length === 1) return { text: JSON.stringify(values[0]), name, warnings: [], placed };
  const notes = { warnings: [] as string[], strict };
  try {
    const { intent } = mergeIntents(values, notes);
    const text = JSON.stringify(intent);
    if (text.length > INTENT_BYTES) throw tooLarge(name);
    return { text, name, warnings: notes.warnings, placed };
  } catch (error) {
    throw error instanceof Fault ? await placed(error) : error;
  }
}

/** Reports whether a source is YAML: by its name, else by its first character. */
export function isYaml({ name, text }: IntentSource): boolean {
  return /\.ya?ml$/i.test(name) || (!/\.json$/i.test(name) && !/^\uFEFF?\s*[{[]/.test(text));
}

/** Returns the values of a source: of YAML one for each document in it. Faults: usage. */
async function valuesOf(source: IntentSource): Promise<unknown[]> {
  if (!isYaml(source)) return [parseJson(sourceName(source.name), source.text)];
  const { yamlDocuments } = await import("./yaml_documents.ts");
  return yamlDocuments(source).map((document) => document.value());
}

async function filesAt(path: string): Promise<string[]> {
  const isFolder = !isStandardInput(path) &&
    (await Deno.stat(path).catch(() => undefined))?.isDirectory;
  if (!isFolder) return [path];
  const files = (await Array.fromAsync(Deno.readDir(path)))
    .filter(({ name, isDirectory }) => !isDirectory && /^[^.].*\.(json|ya?ml)$/i.test(name))
    .map(({ name }) => `${path.replace(/\/$/, "")}/${name}`).sort();
  if (files.length > 0) return files;
  throw new Fault("not_found", `folder ${path} has no intent`, {
    why: "none of its files ends with .json, .yaml or .yml",
    fix: "name another one",
  });
}

function tooLarge(name: string): Fault {
  return new Fault("usage", `intent ${name} is too large`, {
    why: `it has more than ${INTENT_BYTES / 2 ** 20} MB`,
    fix: "apply it in parts, tenant by tenant",
  });
}
