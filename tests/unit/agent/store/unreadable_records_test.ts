import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  unreadableLines,
  UnreadableRecords,
} from "../../../../lib/agent/store/unreadable_records.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";

const documentsOf = (values: Record<string, unknown>) =>
  new Map(Object.entries(values).map(([key, value]) => [key, { value, revision: 1 }]));

Deno.test("unreadableLines() names each record that cannot be read, with the reason", () => {
  const lines = unreadableLines(documentsOf({
    "hosts/h0": { schema: 1, name: "h0" },
    "hosts/h1": { schema: 9, name: "h1" },
    "elsewhere/x": 1,
  }));
  assertEquals(lines.length, 2);
  assertStringIncludes(lines.join("\n"), "record hosts/h1 is left alone: ");
  assertStringIncludes(lines.join("\n"), "record elsewhere/x is left alone: ");
});

Deno.test("unreadableLines() names the first 20 of many and counts the rest", () => {
  const many = Array.from({ length: 25 }, (_, n) => [`elsewhere/${10 + n}`, 1]);
  const lines = unreadableLines(documentsOf(Object.fromEntries(many)));
  assertEquals([lines.length, lines.at(-1)], [21, "and 5 more"]);
});

Deno.test("UnreadableRecords logs a record once, and again with another reason or after it was readable", () => {
  const log = new MemoryLog();
  const records = new UnreadableRecords(log);
  const [newer, other] = [{ schema: 9, name: "h1" }, "no JSON"];
  const steps = [newer, newer, other, { schema: 1, name: "h1" }, other];
  const counts = steps.map((value) => {
    records.log(documentsOf({ "hosts/h1": value }));
    return log.lines.length;
  });
  assertEquals(counts, [1, 1, 2, 2, 3]);
});
