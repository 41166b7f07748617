import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  countIds,
  lowestFreeId,
  parseVlanRanges,
  parseVniRange,
  rangesHave,
  rangesToText,
} from "../../../lib/ipam/ranges.ts";
import { Fault } from "../../../lib/util/errors.ts";

const read: readonly { text: string; want: string }[] = [
  { text: "5-100, 101-200", want: "5-200" },
  { text: "11-28,40-50", want: "11-28,40-50" },
  { text: " 40-50 ,11 - 28 ", want: "11-28,40-50" },
  { text: "100-400,500-900", want: "100-400,500-900" },
  { text: "1-10,5-20", want: "1-20" },
  { text: "7-7", want: "7-7" },
  { text: "0-4095", want: "1-4094" },
  { text: "1-4095", want: "1-4094" },
  { text: "0-0,3-4", want: "3-4" },
];

for (const { text, want } of read) {
  Deno.test(`parseVlanRanges() reads ${JSON.stringify(text)} as ${want}`, () => {
    assertEquals(rangesToText(parseVlanRanges(text)), want);
  });
}

const refused: readonly { text: string; says: string }[] = [
  { text: "5--100", says: "MIN-MAX" },
  { text: "101-5000", says: "5000 is above 4095" },
  { text: "1-5000", says: "5000 is above 4095" },
  { text: "200-101", says: 'write "101-200"' },
  { text: "900-500", says: 'write "500-900"' },
  { text: "5-100,,101-200", says: "MIN-MAX" },
  { text: "", says: "MIN-MAX" },
  { text: "-5-10", says: "MIN-MAX" },
  { text: "a-b", says: "MIN-MAX" },
  { text: "1e1-2e1", says: "MIN-MAX" },
  { text: "1-2-3", says: "MIN-MAX" },
  { text: "0-0", says: "no VLAN from 1 to 4094" },
  { text: "4095-4095", says: "no VLAN from 1 to 4094" },
  { text: "1-99999999999999999999", says: "MIN-MAX" },
];

for (const { text, says } of refused) {
  Deno.test(`parseVlanRanges() refuses ${JSON.stringify(text)}`, () => {
    const fault = assertThrows(() => parseVlanRanges(text), Fault);
    assertEquals(fault.code, "usage");
    assertStringIncludes(fault.message, says);
    assert(fault.message.length <= 200);
  });
}

Deno.test('the range "11" is refused with the way to write it', () => {
  const fault = assertThrows(() => parseVlanRanges("11"), Fault);
  assertEquals(fault.message, '"11" is not a valid VLAN range: a range is MIN-MAX; write "11-11"');
});

Deno.test("parseVniRange() reads one range and leaves VNI 0 out", () => {
  assertEquals(parseVniRange("10000-16000"), { first: 10_000, last: 16_000 });
  assertEquals(parseVniRange("10000-26000"), { first: 10_000, last: 26_000 });
  assertEquals(parseVniRange("0-5"), { first: 1, last: 5 });
  assertEquals(parseVniRange("101-15535"), { first: 101, last: 15_535 });
});

Deno.test("parseVniRange() reads VNIs of all 24 bits", () => {
  assertEquals(parseVniRange("65530-75535"), { first: 65_530, last: 75_535 });
  assertEquals(parseVniRange("16770000-16777215"), { first: 16_770_000, last: 16_777_215 });
});

const refusedVnis: readonly { text: string; says: string }[] = [
  { text: "16770000-16777216", says: "16777216 is above 16777215" },
  { text: "8000-7999", says: 'write "7999-8000"' },
  { text: "10000-11000,12000-13000", says: "one range" },
  { text: "10000-26001", says: "spans more than 16000" },
  { text: "0-0", says: "0 is not a valid VNI" },
  { text: "10001", says: 'write "10001-10001"' },
  { text: "", says: "MIN-MAX" },
];

for (const { text, says } of refusedVnis) {
  Deno.test(`parseVniRange() refuses ${JSON.stringify(text)}`, () => {
    assertStringIncludes(assertThrows(() => parseVniRange(text), Fault).message, says);
  });
}

Deno.test("lowestFreeId() returns the lowest id, and goes on from a hint, then from the start", () => {
  const ranges = parseVlanRanges("1-3,10-11");
  const used = new Set<number>();
  assertEquals(lowestFreeId(ranges, (id) => used.has(id)), 1);
  assertEquals(lowestFreeId(ranges, (id) => used.has(id), 3), 3);
  assertEquals(lowestFreeId(ranges, (id) => used.has(id), 4), 10);
  used.add(10).add(11);
  assertEquals(lowestFreeId(ranges, (id) => used.has(id), 4), 1);
  for (const id of [1, 2, 3]) used.add(id);
  assertEquals(lowestFreeId(ranges, (id) => used.has(id), 4), undefined);
  assertEquals(countIds(ranges), 5);
});

Deno.test("parseVlanRanges() keeps just the ids that were written", () => {
  const id = fc.integer({ min: 0, max: 4095 });
  const list = fc.array(fc.tuple(id, id).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(fc.property(list, id, (pairs, probe) => {
    const wanted = (n: number) =>
      n > 0 && n < 4095 && pairs.some(([a = 0, b = 0]) => a <= n && n <= b);
    if (![...Array(4096).keys()].some(wanted)) return;
    const ranges = parseVlanRanges(pairs.map(([a, b]) => `${a}-${b}`).join(","));
    assertEquals(rangesHave(ranges, probe), wanted(probe));
    assertEquals(parseVlanRanges(rangesToText(ranges)), ranges);
  }));
});
