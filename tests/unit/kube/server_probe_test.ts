import { assertEquals } from "@std/assert";
import { isBehind } from "../../../lib/kube/server_probe.ts";

for (
  const [now, versions, want] of [
    ["10", ["10", "9"], false],
    ["9", ["10"], true],
    ["99999999999999999999", ["9"], false],
    ["9", ["99999999999999999999"], true],
    ["9", [undefined, "x"], false],
    ["x", ["10"], false],
    [undefined, ["10"], false],
  ] as const
) {
  Deno.test(`isBehind() of ${now} and ${versions} is ${want}`, () => {
    assertEquals(isBehind(now, versions), want);
  });
}
