// What parseBindings() reads and refuses.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { bindings } from "../../fixtures/intents.ts";
import { parseBindings } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";

Deno.test("parseBindings() reads the original's files", () => {
  assertEquals(parseBindings(bindings.containerHostBindings)[0], {
    container: "myPod1",
    host: "host1",
  });
  assertEquals(
    parseBindings(`[{"Container":"c","Host":"h","AttachUUID":"0123456789ab","IpAddress":""}]`),
    [{ container: "c", host: "h", attachUuid: "0123456789ab" }],
  );
  assertEquals(parseBindings("[]"), []);
});

const oddBindings: readonly (readonly [string, string])[] = [
  ["{}", "bindings are not an array"],
  ["", "bindings is empty"],
  [`[{"Container":"c"}]`, "[0].Host is missing"],
  [`[{"Container":"c","Host":""}]`, "[0].Host is missing"],
  [`[{"Host":"h"}]`, "[0].Container is missing"],
  [`[{"Container":"c","Host":"a"},{"Container":"c","Host":"b"}]`, "[1].Container"],
  [`["c"]`, '[0] "c" is refused: expected an object'],
];

for (const [text, says] of oddBindings) {
  Deno.test(`parseBindings() refuses ${text || "nothing at all"}`, () => {
    assertStringIncludes(assertThrows(() => parseBindings(text), Fault).message, says);
  });
}

Deno.test("parseBindings() lets the same binding stand twice", () => {
  const one = `{"Container":"c","Host":"h"}`;
  assertEquals(parseBindings(`[${one},${one}]`).length, 2);
});
