import { assertEquals } from "@std/assert";
import own from "../../../deno.json" with { type: "json" };
import jsr from "../../../deno.jsr.json" with { type: "json" };

Deno.test("deno.jsr.json is deno.json without the links, and leaves the lock file alone", () => {
  const { links, ...rest } = own;
  assertEquals<unknown>(jsr, { ...rest, lock: false });
  assertEquals(links.length, 3);
});
