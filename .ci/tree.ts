// Checks of the whole tree, which a linter that sees one file at a time cannot make: base names,
// circles of imports, wide contexts, words, outdated mutants. `deno run --allow-read .ci/tree.ts` prints what is wrong.

import { type Mutant, mutants } from "../tests/mutation/mutants.ts";

/** Path of each file from the root of the project, with its text. */
export type Tree = ReadonlyMap<string, string>;

/** Base names in lib/ that may occur more than once: at most eight, each with its reason. */
export const SHARED_NAMES: ReadonlyMap<string, string> = new Map([
  ["intent.ts", "cli/intent.ts is the command that is called intent, intent/intent.ts its subject"],
]);
const MOST_SHARED_NAMES = 8;

/** A context is what a part of the agent needs from the rest; more fields than these are two contexts. */
const MOST_FIELDS = 12;

/** Words that say nothing to a reader who looks for the field's own; lines that may have one. */
const ARCHAIC = /\b(whom|told|tells|gives)\b/i;
const MOST_ARCHAIC_LINES = 19;

/** Reports base names that occur more than once in lib/, and exceptions that are not needed. */
export function sharedNames(tree: Tree, allowed = SHARED_NAMES): string[] {
  const pathsByName = Map.groupBy(sources(tree), (path) => path.slice(path.lastIndexOf("/") + 1));
  const problems: string[] = [];
  for (const [name, paths] of pathsByName) {
    if (paths.length > 1 && !allowed.has(name)) {
      problems.push(`${paths.join(" and ")} have the same base name`);
    }
  }
  for (const name of allowed.keys()) {
    if ((pathsByName.get(name)?.length ?? 0) < 2) problems.push(`${name} needs no exception`);
  }
  if (allowed.size > MOST_SHARED_NAMES) {
    problems.push(`${allowed.size} exceptions for base names, at most ${MOST_SHARED_NAMES} may be`);
  }
  return problems;
}

const IMPORT = /\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+\.ts)["']/g;

/** Reports circles of imports in lib/, those of types included, each once. */
export function importCircles(tree: Tree): string[] {
  return strongComponents(importGraph(tree))
    .filter((paths) => paths.length > 1)
    .map((paths) => `circle of ${paths.length} files: ${paths.sort().join(", ")}`);
}

function importGraph(tree: Tree): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const path of sources(tree)) {
    const targets = [...(tree.get(path) ?? "").matchAll(IMPORT)]
      .map(([, source]) => new URL(source ?? "", `file:///${path}`).pathname.slice(1));
    graph.set(path, [...new Set(targets)].filter((target) => tree.has(target)));
  }
  return graph;
}

/** Tarjan's algorithm. */
function strongComponents(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>(), low = new Map<string, number>();
  const open: string[] = [], components: string[][] = [];
  const visit = (node: string): number => {
    const at = index.size;
    index.set(node, at);
    open.push(node);
    let lowest = at;
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (open.includes(next)) lowest = Math.min(lowest, index.get(next) ?? at);
    }
    low.set(node, lowest);
    if (lowest === at) components.push(open.splice(open.indexOf(node)));
    return lowest;
  };
  for (const node of graph.keys()) {
    if (!index.has(node)) visit(node);
  }
  return components;
}

const CONTEXT = /\binterface (\w*(?:Deps|Context|World))\b(?:\s+extends\s+([^{]+))?\s*\{/g;
const COMPOSED = /\btype (\w*(?:Deps|Context|World)) =\s*([\w\s&]+);/g;
const FIELD = /^\s*(?:readonly\s+)?\w+\??\s*[:(<]/;

/** Reports contexts of the agent (interfaces called *Deps or *Context) with more than 12 fields. */
export function wideContexts(tree: Tree): string[] {
  const own = new Map<string, { path: string; fields: number; bases: string[] }>();
  for (const path of sources(tree).filter((each) => each.startsWith("lib/agent/"))) {
    const text = tree.get(path) ?? "";
    for (const { 0: head, 1: name = "", 2: bases, index } of text.matchAll(CONTEXT)) {
      own.set(name, { path, fields: fieldsIn(text, index + head.length), bases: names(bases) });
    }
    for (const [, name = "", bases] of text.matchAll(COMPOSED)) {
      own.set(name, { path, fields: 0, bases: names(bases) });
    }
  }
  const count = (name: string): number => {
    const context = own.get(name);
    return context ? context.bases.reduce((sum, base) => sum + count(base), context.fields) : 0;
  };
  return [...own].filter(([name]) => count(name) > MOST_FIELDS)
    .map(([name, { path }]) =>
      `${path}: ${name} has ${count(name)} fields, more than ${MOST_FIELDS}`
    );
}

function names(list = ""): string[] {
  return list.split(/[,&\s]+/).filter((name) => name !== "");
}

/** Returns how many members the interface has whose body begins at `start`. */
function fieldsIn(text: string, start: number): number {
  let fields = 0, depth = 0;
  for (const line of text.slice(start).replace(/\/\*[^]*?\*\//g, "").split("\n")) {
    const code = line.replace(/\/\/.*/, "");
    if (depth === 0 && FIELD.test(code)) fields++;
    for (const sign of code) {
      if ("{([".includes(sign)) depth++;
      if ("})]".includes(sign)) depth--;
    }
    if (depth < 0) break;
  }
  return fields;
}

/** Reports lines with archaic words in lib/, main.ts and the README, once they are too many. */
export function archaicWords(tree: Tree): string[] {
  const lines = [...tree].flatMap(([path, text]) =>
    text.split("\n").flatMap((line, at) =>
      ARCHAIC.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : []
    )
  );
  return lines.length > MOST_ARCHAIC_LINES ? lines : [];
}

/** Reports mutants of the mutation test whose text does not occur exactly once in their file. */
export function outdatedMutants(
  tree: Tree,
  list: readonly Pick<Mutant, "file" | "from">[] = mutants,
): string[] {
  return list.flatMap(({ file, from }) => {
    const count = (tree.get(file) ?? "").split(from).length - 1;
    return count === 1
      ? []
      : [`tests/mutation/mutants.ts: ${file} has this ${count} times, not once: ${from}`];
  });
}

/** What is checked, by the name of the check. */
export const CHECKS: ReadonlyMap<string, (tree: Tree) => string[]> = new Map([
  ["base names in lib/ are unique", (tree: Tree) => sharedNames(tree)],
  ["no circle of imports, types included", importCircles],
  ["no context of the agent has more than 12 fields", wideContexts],
  ["plain words: whom, told, tells and gives on fewer than 20 lines", archaicWords],
  ["each mutant's text occurs once in its file", (tree: Tree) => outdatedMutants(tree)],
]);

function sources(tree: Tree): string[] {
  return [...tree.keys()].filter((path) => /^lib\/.*\.ts$/.test(path));
}

/** Reads lib/, main.ts and the README. */
export async function readTree(): Promise<Tree> {
  const root = new URL("..", import.meta.url).pathname;
  const tree = new Map<string, string>();
  const read = async (path: string) => void tree.set(path, await Deno.readTextFile(root + path));
  const walk = async (dir: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(root + dir)) {
      await (isDirectory ? walk : read)(`${dir}/${name}`);
    }
  };
  await Promise.all([walk("lib"), read("main.ts"), read("README.md")]);
  return new Map([...tree].sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) {
  const tree = await readTree();
  const problems = [...CHECKS.values()].flatMap((check) => check(tree));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
}
