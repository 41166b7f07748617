import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { checkThin, lateRequire, placeProtoFiles, plainNames } from "../../../.ci/bundle.ts";

Deno.test("plainNames() returns names without hashes, in the order they are reached", () => {
  const bundle = (hash: string) =>
    new Map([
      [`main-ZZZZ${hash}.js`, `import"./chunk-AAAA${hash}.js";`],
      [`chunk-AAAA${hash}.js`, `export{a};`],
      [
        "main.js",
        `import{a}from"./chunk-BBBB${hash}.js";await import("./main-ZZZZ${hash}.js")`,
      ],
      [`chunk-BBBB${hash}.js`, "var a;export{a};"],
      [`orphan-CCCC${hash}.js`, ""],
    ]);
  const files = plainNames(bundle("1234"));
  assertEquals([...files], [
    ["main.js", `import{a}from"./chunk.js";await import("./main2.js")`],
    ["chunk.js", "var a;export{a};"],
    ["main2.js", `import"./chunk2.js";`],
    ["chunk2.js", "export{a};"],
  ]);
  assertEquals([...plainNames(bundle("9876"))], [...files]);
});

Deno.test("lateRequire() leaves no node: import, and a require that is created when called", () => {
  const files = new Map([[
    "chunk.js",
    `var h=1;import{createRequire as __deno_internal_createRequire} from "node:module";` +
    "var m=__deno_internal_createRequire(import.meta.url);export{m as a};",
  ]]);
  lateRequire(files);
  checkThin(files, ["chunk.js"]);
  assertStringIncludes(files.get("chunk.js") ?? "", "var m=((name)=>");
});

Deno.test("lateRequire() throws when the bundler creates its require in a new way", () => {
  const text = `import{createRequire as __deno_internal_createRequire} from "node:module";f();`;
  assertThrows(() => lateRequire(new Map([["chunk.js", text]])), Error, "in a new way");
});

Deno.test("checkThin() throws for a node: module anywhere below a face, not for a lazy one", () => {
  const files = new Map([
    ["exec.js", `import{a}from"./a.js";await import("./lazy.js")`],
    ["a.js", `import"./b.js";`],
    ["b.js", "export{};"],
    ["lazy.js", `import"node:fs";`],
  ]);
  checkThin(files, ["exec.js"]);
  files.set("b.js", `import x from"node:os";`);
  assertThrows(() => checkThin(files, ["exec.js"]), Error, "b.js loads node:os");
});

Deno.test("placeProtoFiles() points etcd3 to the files beside the bundle", () => {
  const files = new Map([["etcd.js", "x(`${__dirname}/../proto/rpc.proto`,{})"], ["a.js", ""]]);
  assertEquals(placeProtoFiles(files), true);
  assertEquals(files.get("etcd.js"), "x(`${import.meta.dirname}/proto/rpc.proto`,{})");
  assertEquals(placeProtoFiles(new Map([["a.js", ""]])), false);
});

Deno.test("placeProtoFiles() throws when etcd3 looks for its files otherwise", () => {
  const files = new Map([["etcd.js", `load("rpc.proto")`]]);
  assertThrows(() => placeProtoFiles(files), Error, "in a new way");
});
