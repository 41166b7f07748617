import { assertEquals } from "@std/assert";
import { filterScript } from "../../../../lib/net/host/filter_table.ts";

const TABLE = {
  name: "t",
  definition: "set a { type ipv4_addr; }",
  elements: { a: ["10.0.0.1", "10.0.0.2"], b: [] },
};

Deno.test("filterScript() makes a table that was not there, or was another, in one transaction", () => {
  const whole = "add table ip t\ndelete table ip t\ntable ip t {\nset a { type ipv4_addr; }\n}\n" +
    "add element ip t a { 10.0.0.1, 10.0.0.2 }\n";
  assertEquals(filterScript(TABLE, undefined), whole);
  assertEquals(filterScript(TABLE, { ...TABLE, definition: "" }), whole);
});

Deno.test("filterScript() changes elements alone where only those differ, deleting first", () => {
  const next = { ...TABLE, elements: { a: ["10.0.0.2", "10.0.0.3"], b: ["10.1.0.0/16"] } };
  assertEquals(
    filterScript(next, TABLE),
    "delete element ip t a { 10.0.0.1 }\n" +
      "add element ip t a { 10.0.0.3 }\nadd element ip t b { 10.1.0.0/16 }\n",
  );
  assertEquals(filterScript(TABLE, TABLE), "");
});
