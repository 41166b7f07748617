import { assertEquals } from "@std/assert";
import {
  archaicWords,
  importCircles,
  outdatedMutants,
  sharedNames,
  type Tree,
  wideContexts,
} from "../../../.ci/tree.ts";

const tree = (files: Record<string, string>): Tree => new Map(Object.entries(files));

Deno.test("sharedNames() reports a base name that occurs twice in lib/", () => {
  const files = tree({ "lib/a/one.ts": "", "lib/b/one.ts": "", "lib/b/two.ts": "", "main.ts": "" });
  assertEquals(sharedNames(files, new Map()), [
    "lib/a/one.ts and lib/b/one.ts have the same base name",
  ]);
  assertEquals(sharedNames(files, new Map([["one.ts", "a reason"]])), []);
});

Deno.test("sharedNames() reports an exception that is not needed, and more than eight", () => {
  const files = tree({ "lib/a/one.ts": "" });
  assertEquals(sharedNames(files, new Map([["one.ts", ""]])), ["one.ts needs no exception"]);
  const nine = [..."abcdefghi"];
  const twice = tree(Object.fromEntries(
    nine.flatMap((name) => [[`lib/a/${name}.ts`, ""], [`lib/b/${name}.ts`, ""]]),
  ));
  assertEquals(sharedNames(twice, new Map(nine.map((name) => [`${name}.ts`, ""]))), [
    "9 exceptions for base names, at most 8 may be",
  ]);
});

Deno.test("importCircles() reports each circle once, those of types included", () => {
  const files = tree({
    "lib/a/one.ts": `import type { B } from "../b/two.ts";\nimport "./four.ts";`,
    "lib/b/two.ts": `export * from "./three.ts";`,
    "lib/b/three.ts": `const a = await import("../a/one.ts");`,
    "lib/a/four.ts": `import { c } from "../b/five.ts";`,
    "lib/b/five.ts": `let a: import("./six.ts").A;`,
    "lib/b/six.ts": `import { five } from "./five.ts"; import "zod"; import "./data.json";`,
  });
  assertEquals(importCircles(files).sort(), [
    "circle of 2 files: lib/b/five.ts, lib/b/six.ts",
    "circle of 3 files: lib/a/one.ts, lib/b/three.ts, lib/b/two.ts",
  ]);
});

Deno.test("importCircles() reports nothing where paths meet again without a circle", () => {
  const files = tree({
    "lib/a/one.ts": `import "./two.ts"; import "./three.ts";`,
    "lib/a/two.ts": `import "./four.ts";`,
    "lib/a/three.ts": `import "./four.ts"; import "./two.ts";`,
    "lib/a/four.ts": "",
  });
  assertEquals(importCircles(files), []);
});

const fields = (count: number) =>
  Array.from({ length: count }, (_, n) => `  /** A: b. */\n  readonly f${n}: { a: string };`).join(
    "\n",
  );

Deno.test("wideContexts() counts members, methods included, of the agent's contexts", () => {
  const file = (more: string) =>
    `export interface PodDeps {\n${fields(11)}\n  call(\n    name: string,\n  ): void;\n${more}}\n`;
  assertEquals(wideContexts(tree({ "lib/agent/pods/a.ts": file("") })), []);
  assertEquals(
    wideContexts(tree({ "lib/agent/pods/a.ts": file("  readonly last?: () => void;\n") })),
    [
      "lib/agent/pods/a.ts: PodDeps has 13 fields, more than 12",
    ],
  );
  assertEquals(wideContexts(tree({ "lib/ovs/a.ts": file("  last?: number;\n") })), []);
});

Deno.test("wideContexts() counts what a context extends or is composed of", () => {
  const files = {
    "lib/agent/a.ts": `interface ADeps {\n${fields(7)}\n}\n`,
    "lib/agent/b.ts": `export interface BContext extends ADeps {\n${fields(6)}\n}\n`,
    "lib/agent/c.ts": `export type CDeps = ADeps & BContext;\n`,
  };
  assertEquals(wideContexts(tree(files)), [
    "lib/agent/b.ts: BContext has 13 fields, more than 12",
    "lib/agent/c.ts: CDeps has 20 fields, more than 12",
  ]);
});

Deno.test("archaicWords() names the lines once there are twenty", () => {
  const lines = (count: number) =>
    tree({ "README.md": "It tells whom.\nforetold\n".repeat(count) });
  assertEquals(archaicWords(lines(19)), []);
  assertEquals(archaicWords(lines(20)).length, 20);
  assertEquals(archaicWords(lines(20))[1], "README.md:3: It tells whom.");
});

Deno.test("outdatedMutants() reports a text that its file does not have, or has more than once", () => {
  const files = tree({ "lib/a.ts": "one two two" });
  const mutant = (from: string, file = "lib/a.ts") => ({ file, from });
  assertEquals(outdatedMutants(files, [mutant("one")]), []);
  assertEquals(outdatedMutants(files, [mutant("two"), mutant("three"), mutant("x", "lib/b.ts")]), [
    "tests/mutation/mutants.ts: lib/a.ts has this 2 times, not once: two",
    "tests/mutation/mutants.ts: lib/a.ts has this 0 times, not once: three",
    "tests/mutation/mutants.ts: lib/b.ts has this 0 times, not once: x",
  ]);
});
