// Names in a tar archive.

import { assertEquals, assertThrows } from "@std/assert";
import { tarOf } from "../../../lib/util/tar_archive.ts";

Deno.test("a name or target that does not fit is refused, not cut off", () => {
  const fits = "a".repeat(100);
  const archive = tarOf([{ name: fits, target: fits }], 0);
  assertEquals(new TextDecoder().decode(archive.subarray(0, 101)), `${fits}0`);
  for (const long of ["a".repeat(101), "ü".repeat(51)]) {
    assertThrows(() => tarOf([{ name: long, text: "" }], 0), RangeError, "longer than 100 bytes");
    assertThrows(() => tarOf([{ name: "a", target: long }], 0), RangeError, "longer than");
  }
});
