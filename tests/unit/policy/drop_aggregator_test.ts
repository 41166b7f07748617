import { assertEquals } from "@std/assert";
import { DropAggregator } from "../../../lib/policy/drop_aggregator.ts";

Deno.test("DropAggregator reports a kind at its first drop, and once an interval while it goes on", () => {
  const book = new DropAggregator<string>();
  const take = (key: string) => book.count(key, () => `words of ${key}`);
  assertEquals([take("a"), take("a"), take("b"), take("a")], [
    "words of a",
    undefined,
    "words of b",
    undefined,
  ]);
  assertEquals(book.endInterval(), {
    more: [{ report: "words of a", count: 2 }],
    others: 0,
    seen: 4,
  });
  assertEquals([take("a"), take("b")], [undefined, "words of b"]);
  assertEquals(book.endInterval(), {
    more: [{ report: "words of a", count: 1 }],
    others: 0,
    seen: 6,
  });
  assertEquals(book.endInterval(), { more: [], others: 0, seen: 2 });
  assertEquals(book.isEmpty, true);
  assertEquals(take("a"), "words of a");
});

Deno.test("DropAggregator reports 100 kinds and counts the rest, whatever comes", () => {
  const book = new DropAggregator<string>();
  let made = 0;
  const reported = Array.from(
    { length: 100_000 },
    (_, n) => book.count(String(n), () => `${made++}`),
  ).filter((report) => report !== undefined);
  assertEquals([reported.length, made], [100, 100]);
  assertEquals(book.endInterval(), { more: [], others: 99_900, seen: 100_000 });
  assertEquals(book.isEmpty, true);
  assertEquals(book.endInterval().seen, 100_000);
  assertEquals(book.endInterval().seen, 0);
});
