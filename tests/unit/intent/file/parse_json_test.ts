import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseJson } from "../../../../lib/intent/file/parse_json.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { runs } from "../../cases.ts";

const wrong: readonly (readonly [string, string, string])[] = [
  [`{"a": }`, "line 1, column 7", 'expected a value, found "}"'],
  [`{`, "line 1, column 2", "expected a key in double quotes or }, found the end of the text"],
  [`{"a":1,}`, "line 1, column 8", "expected a key in double quotes"],
  [`[1,\n2,,3]`, "line 2, column 3", "expected a value"],
  [`[1,]`, "line 1, column 4", "expected a value"],
  [`{"a" 1}`, "line 1, column 6", "expected a colon"],
  [`{a:1}`, "line 1, column 2", "a key in double quotes"],
  [`{'a':1}`, "line 1, column 2", "a key in double quotes"],
  [`{} x`, "line 1, column 4", "expected the end"],
  [`[1 2]`, "line 1, column 4", "a comma or a closing bracket"],
  [`{"a":1]`, "line 1, column 7", "a comma or a closing bracket"],
  [`"a`, "line 1, column 1", "expected a value"],
  [`["a\nb"]`, "line 1, column 2", "expected a value or ]"],
  [`[01]`, "line 1, column 3", "a comma"],
  [`[nul]`, "line 1, column 2", "a value"],
  [`// x\n{}`, "line 1, column 1", "a value"],
  [`{"a":1,"b":2,"a":3}`, "line 1, column 14", 'key "a" occurs twice in one object'],
  [`{"a":1,"\\u0061":3}`, "line 1, column 8", "occurs twice"],
];

Deno.test("quotes are not doubled in messages", () => {
  const messageOf = (text: string) => assertThrows(() => parseJson("intent", text), Fault).message;
  const place = "intent is not valid JSON at line 1, column";
  assertEquals(
    messageOf('{"Name":1,"Name":2}'),
    `${place} 11: key "Name" occurs twice in one object; leave one out`,
  );
  for (const [text] of wrong) assertEquals(/""/.test(messageOf(text)), false, messageOf(text));
  const example = 'compare with "k8contivnet intent example"';
  assertEquals(
    messageOf('{"a" "b"}'),
    `${place} 6: expected a colon, found "b"}; ${example}`,
  );
});

for (const [text, place, why] of wrong) {
  Deno.test(`parseJson() says where and why ${JSON.stringify(text)} is not valid JSON`, () => {
    const { message } = assertThrows(() => parseJson("intent", text), Fault);
    assertStringIncludes(message, `intent is not valid JSON at ${place}`);
    assertStringIncludes(message, why);
  });
}

Deno.test("parseJson() returns what JSON.parse returns, and skips a byte order mark", () => {
  assertEquals(parseJson("intent", `\uFEFF{"a":[1,{"a":null}]}`), { a: [1, { a: null }] });
  fc.assert(fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
    const text = JSON.stringify(value, null, indent);
    assertEquals(parseJson("intent", text), JSON.parse(text));
  }));
});

Deno.test("parseJson() refuses just what JSON.parse refuses, but for keys that stand twice", () => {
  const piece = fc.constantFrom(...'{}[]:, \n01-.eE"a\\u', "true", "null", '"k"', "1.5e3");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }).map((all) => all.join("")), (text) => {
      const outcome = (read: () => unknown) => {
        try {
          return { value: read() };
        } catch (error) {
          return /occurs twice/.test(String(error)) ? undefined : "refused";
        }
      };
      const ours = outcome(() => parseJson("intent", text));
      if (ours !== undefined) assertEquals(ours, outcome(() => JSON.parse(text)));
    }),
    runs(3000),
  );
});

Deno.test("parseJson() takes a hundred thousand nested arrays without falling over", () => {
  const deep = "[".repeat(100_000);
  assertThrows(() => parseJson("intent", deep), Fault, "found the end of the text");
  parseJson("intent", deep + "]".repeat(100_000));
});

Deno.test("parseJson() takes a string of four million letters", () => {
  assertEquals((parseJson("intent", `"${"a".repeat(4_000_000)}"`) as string).length, 4_000_000);
});
