import {
  assert,
  assertEquals,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import * as asserts from "@std/assert";

/** Reports whether `act` throws an AssertionError; written without the functions under test. */
function refuses(act: () => void): boolean {
  try {
    act();
    return false;
  } catch (error) {
    return error instanceof AssertionError;
  }
}

function check(name: string, holds: boolean): void {
  if (!holds) throw new Error(name);
}

const cyclefree = () => ({ a: [1, { b: new Map([["k", new Set([1, 2])]]) }], d: new Date(5) });

const pairs: readonly (readonly [string, unknown, unknown, boolean])[] = [
  ["equal trees", cyclefree(), cyclefree(), true],
  ["trees that differ deep inside", { a: [{ b: 1 }] }, { a: [{ b: 2 }] }, false],
  ["a missing key and an undefined one", {}, { a: undefined }, false],
  ["NaN and NaN", NaN, NaN, true],
  ["a number and its text", 1, "1", false],
  ["sets of other order", new Set([1, 2]), new Set([2, 1]), true],
  ["sets that differ", new Set([1]), new Set([2]), false],
  ["maps that differ", new Map([["a", 1]]), new Map([["a", 2]]), false],
  ["an array and an object", [1], { 0: 1 }, false],
  ["arrays of other length", [1], [1, 2], false],
  ["bytes that are equal", new Uint8Array([1, 2]), new Uint8Array([1, 2]), true],
  ["bytes that differ", new Uint8Array([1, 2]), new Uint8Array([1, 3]), false],
  ["dates that differ", new Date(1), new Date(2), false],
  ["null and undefined", null, undefined, false],
];

for (const [name, left, right, same] of pairs) {
  Deno.test(`assertEquals() ${same ? "accepts" : "refuses"} ${name}`, () => {
    check("assertEquals", refuses(() => assertEquals(left, right)) === !same);
    check("assertNotEquals", refuses(() => assertNotEquals(left, right)) === same);
  });
}

Deno.test("the small assertions accept what holds and refuse what does not", () => {
  const one = { a: 1 };
  const assertExists: (value: unknown) => void = asserts.assertExists;
  check("assert", !refuses(() => assert(1)) && refuses(() => assert(0)));
  check("same", !refuses(() => assertStrictEquals(one, one)));
  check("not same", refuses(() => assertStrictEquals<unknown>(one, { a: 1 })));
  check("includes", !refuses(() => assertStringIncludes("abc", "b")));
  check("does not include", refuses(() => assertStringIncludes("abc", "x")));
  check("matches", !refuses(() => assertMatch("abc", /b/)) && refuses(() => assertMatch("a", /b/)));
  check("exists", !refuses(() => assertExists(0)) && refuses(() => assertExists(null)));
});

Deno.test("assertThrows() returns the error, and refuses silence, another class, other words", () => {
  const act = () => {
    throw new TypeError("pool is full");
  };
  check("returns it", assertThrows(act, TypeError, "full").message === "pool is full");
  check("silence", refuses(() => assertThrows(() => {})));
  check("class", refuses(() => assertThrows(act, RangeError)));
  check("words", refuses(() => assertThrows(act, TypeError, "empty")));
});

Deno.test("assertRejects() returns the reason, and refuses a promise that is kept", async () => {
  const error = await assertRejects(() => Promise.reject(new RangeError("far")), RangeError, "far");
  check("returns it", error.message === "far");
  const silence = await assertRejects(() => Promise.resolve()).catch((error) => error);
  check("silence", silence instanceof AssertionError);
});
