import { assertEquals } from "@std/assert";
import { nearest } from "../../../lib/cli/nearest.ts";

const words = ["apply", "plan", "delete", "get", "status", "setup", "netplugin"];
const cases: readonly (readonly [string, string | undefined])[] = [
  ["aply", "apply"],
  ["gte", "get"],
  ["statsu", "status"],
  ["stpeu", undefined],
  ["detele", "delete"],
  ["netplugins", "netplugin"],
  ["", undefined],
  ["kubernetes", undefined],
];
for (const [typed, want] of cases) {
  Deno.test(`nearest() to "${typed}" is ${want ?? "nothing"}`, () => {
    assertEquals(nearest(typed, words), want);
  });
}
