// What --history takes.

import { assertEquals, assertThrows } from "@std/assert";
import { parseHistoryLimit } from "../../../../lib/agent/store/history_limit.ts";
import { Fault } from "../../../../lib/util/errors.ts";

Deno.test("a limit is a number of revisions or of days", () => {
  assertEquals(parseHistoryLimit("100"), { count: 100, ageMs: Infinity });
  assertEquals(parseHistoryLimit("30d"), { count: 1_000, ageMs: 30 * 86_400_000 });
  for (const text of ["", "0", "0d", "-1", "1001", "1.5", "30 d", "30D", "d", "1e2", "all"]) {
    assertThrows(() => parseHistoryLimit(text), Fault, "--history");
  }
});
