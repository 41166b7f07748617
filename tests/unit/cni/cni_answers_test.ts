import { assertEquals } from "@std/assert";
import {
  cniErrorFrom,
  errorToJson,
  errorWords,
  versionAnswer,
} from "../../../lib/cni/cni_answers.ts";
import { CniError } from "../../../lib/cni/cni_types.ts";
import { Fault, type FaultCode } from "../../../lib/util/errors.ts";

Deno.test("VERSION has the newest version and all", () => {
  assertEquals(
    versionAnswer(),
    '{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}',
  );
});

Deno.test("an error is one line, with details only if it has some", () => {
  assertEquals(
    errorToJson("0.4.0", new CniError(4, 'a\n"b"', "c")),
    '{"cniVersion":"0.4.0","code":4,"msg":"a\\n\\"b\\"","details":"c"}',
  );
  assertEquals(
    errorToJson("1.1.0", new CniError(11, "later")),
    '{"cniVersion":"1.1.0","code":11,"msg":"later"}',
  );
});

Deno.test("each kind of Fault has its code", () => {
  const codes: readonly [FaultCode, number][] = [
    ["failed", 104],
    ["usage", 7],
    ["not_found", 101],
    ["conflict", 103],
    ["exhausted", 100],
    ["unavailable", 11],
    ["timeout", 11],
  ];
  for (const [kind, code] of codes) {
    const { message, details, ...rest } = cniErrorFrom(
      new Fault(kind, "a", { why: "b", fix: "c" }),
    );
    assertEquals([rest.code, message, details], [code, "a", "b; c"]);
  }
  assertEquals(cniErrorFrom(new Fault("failed", "a")).details, undefined);
});

Deno.test("a CniError stays as it is, and an unforeseen error has code 104 and its words", () => {
  const error = new CniError(102, "a");
  assertEquals(cniErrorFrom(error) === error, true);
  const { code, message } = cniErrorFrom(new TypeError("x is not a function"));
  assertEquals([code, message], [104, 'unexpected error: "x is not a function"']);
});

Deno.test("the words of an error are one line, of at most 500 characters", () => {
  assertEquals(errorWords('{"msg":"a\\nb"}'), "a b");
  assertEquals(errorWords('{"msg":"a","details":"b"}'), "a: b");
  assertEquals(errorWords(`{"msg":"${"a".repeat(600)}"}`).length, 500);
});
