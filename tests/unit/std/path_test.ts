import { assertEquals, assertThrows } from "@std/assert";
import { basename, dirname, fromFileUrl, isAbsolute, join, normalize, resolve } from "@std/path";

const cases: readonly (readonly [string, string | boolean, string | boolean])[] = [
  ["join() puts slashes between", join("a", "b", "c.ts"), "a/b/c.ts"],
  ["join() leaves out empty parts", join("", "a", "", "b"), "a/b"],
  ["join() of nothing is here", join(), "."],
  ["join() resolves dots", join("/a", "../b", "./c/"), "/b/c/"],
  ["normalize() folds slashes", normalize("/a//b/./c"), "/a/b/c"],
  ["normalize() keeps leading dots of a relative path", normalize("../../a/.."), "../.."],
  ["normalize() does not climb above the root", normalize("/../.."), "/"],
  ["normalize() keeps a trailing slash", normalize("a/b/"), "a/b/"],
  ["resolve() starts at the last absolute part", resolve("/a", "/b", "c"), "/b/c"],
  ["resolve() drops a trailing slash", resolve("/a/b/"), "/a/b"],
  ["dirname() of a file", dirname("/a/b.ts"), "/a"],
  ["dirname() of a bare name", dirname("b.ts"), "."],
  ["dirname() below the root", dirname("/a"), "/"],
  ["dirname() ignores a trailing slash", dirname("/a/b/"), "/a"],
  ["basename() of a file", basename("/a/b.ts"), "b.ts"],
  ["basename() without its ending", basename("/a/b.ts", ".ts"), "b"],
  ["basename() keeps a name that is only the ending", basename("/a/.ts", ".ts"), ".ts"],
  ["basename() ignores a trailing slash", basename("/a/b/"), "b"],
  ["basename() of the root", basename("/"), "/"],
  ["isAbsolute() of /a", isAbsolute("/a"), true],
  ["isAbsolute() of a", isAbsolute("a"), false],
  ["fromFileUrl() decodes", fromFileUrl("file:///a%20b/100%25"), "/a b/100%"],
];

for (const [name, got, want] of cases) {
  Deno.test(`${name}`, () => assertEquals(got, want));
}

Deno.test("fromFileUrl() refuses other URLs", () => {
  assertThrows(() => fromFileUrl("https://localhost/a"), TypeError);
});
