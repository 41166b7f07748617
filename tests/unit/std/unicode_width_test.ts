import { assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";

const cases: readonly (readonly [string, string, number])[] = [
  ["an empty text", "", 0],
  ["plain letters", "tenant-one/orange", 17],
  ["letters with accents", "Zürich", 6],
  ["accents of their own", "Zu\u0308rich", 6],
  ["ideographs", "租户", 4],
  ["full-width letters", "ｆｕｌｌ", 8],
  ["syllables", "한국", 4],
  ["jamo that form a syllable", "\u1112\u1161\u11ab", 2],
  ["an emoji", "🦕", 2],
  ["two regional indicators", "🇨🇭", 2],
  ["controls", "a\n\t\x1b", 1],
  ["a zero-width joiner", "a\u200db", 2],
  ["an ellipsis", "…", 1],
];

for (const [name, text, columns] of cases) {
  Deno.test(`unicodeWidth() returns ${columns} for ${name}`, () => {
    assertEquals(unicodeWidth(text), columns);
  });
}
