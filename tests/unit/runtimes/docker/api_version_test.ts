import { assertEquals } from "@std/assert";
import { isVersionRefusal, versionPrefix } from "../../../../lib/runtimes/docker/api_version.ts";

const cases: readonly (readonly [offered: string | null, want: string])[] = [
  ["1.18", "/v1.18"],
  ["1.41", "/v1.41"],
  ["1.44", "/v1.44"],
  ["1.45", "/v1.44"],
  ["1.100", "/v1.44"],
  [null, ""],
  ["", ""],
  ["2.0", ""],
  ["1.4/../x", ""],
];

for (const [offered, want] of cases) {
  Deno.test(`versionPrefix() of ${offered} is "${want}" where 1.44 is known`, () => {
    assertEquals(versionPrefix(offered, "1.44"), want);
  });
}

Deno.test("isVersionRefusal() knows both of Docker's refusals, and no other", () => {
  const tooNew = "client version 1.54 is too new. Maximum supported API version is 1.41";
  const tooOld = "client version 1.30 is too old. Minimum supported API version is 1.44";
  assertEquals([isVersionRefusal(400, tooNew), isVersionRefusal(400, tooOld)], [true, true]);
  assertEquals([isVersionRefusal(404, tooNew), isVersionRefusal(400, "bad filter")], [
    false,
    false,
  ]);
});
