import { assertEquals } from "@std/assert";
import { ChangedKeys } from "../../../lib/intent/changed_keys.ts";

Deno.test("Journal.since() returns what was noted later, in order", () => {
  const journal = new ChangedKeys();
  journal.note("a");
  const { count } = journal;
  assertEquals(journal.since(count), []);
  journal.note("b");
  journal.note("a");
  assertEquals(journal.since(count), ["b", "a"]);
  assertEquals(journal.since(journal.count), []);
});

Deno.test("Journal.since() does not know what is long ago, and never leaves a key out", () => {
  const journal = new ChangedKeys();
  const noted: string[] = [];
  const looks: { readonly count: number; readonly at: number }[] = [];
  for (let n = 0; n < 20_000; n++) {
    if (n % 500 === 0) looks.push({ count: journal.count, at: noted.length });
    journal.note(`key${n}`);
    noted.push(`key${n}`);
  }
  const results = looks.map(({ count }) => journal.since(count));
  assertEquals(results[0], undefined);
  for (const [n, { at }] of looks.entries()) {
    if (results[n]) assertEquals(results[n], noted.slice(at));
  }
  assertEquals(results.at(-1)?.length, 500);
});

Deno.test("Journal.since() knows nothing from before anything may have changed", () => {
  const journal = new ChangedKeys();
  const empty = journal.count;
  journal.noteAll();
  assertEquals(journal.since(empty), undefined);
  const { count } = journal;
  journal.note("a");
  assertEquals(journal.since(count), ["a"]);
});
