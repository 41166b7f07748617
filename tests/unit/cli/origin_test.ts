// Who a change is by.

import { assertEquals } from "@std/assert";
import { userOf } from "../../../lib/cli/origin.ts";

Deno.test("a user without a name is root, or a number", () => {
  assertEquals([0, 1_000, null].map(userOf), ["root", "uid 1000", "uid unknown"]);
});
