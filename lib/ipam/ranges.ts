// Ranges of tags: VLAN lists and VNI ranges as intent files write them, and the next free id in them.

import { Fault, oneLine } from "../util/errors.ts";

/** Numbers from `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** Lowest and highest VLAN id of a network; IEEE 802.1Q reserves 0 and 4095. */
export const VLANS: Range = { first: 1, last: 4_094 };

/** Lowest and highest VNI, a 24-bit number; 0 is not used. */
export const VNIS: Range = { first: 1, last: 16_777_215 };

// As the original reads them: VLAN lists may contain 0 and 4095, VNI ranges are this wide. Those of the original
// end at 65535, but VNIs have 24 bits.
const WRITTEN_VLAN_LIMIT = 4_095;
const VNI_SPAN = 16_000;

/**
 * Returns the VLANs of a comma list such as `11-28, 40-50`: sorted, merged, without 0 and 4095.
 * Faults: usage.
 */
export function parseVlanRanges(text: string): Range[] {
  const written = text.split(",").map((part) => parseRange("VLAN", text, part, WRITTEN_VLAN_LIMIT));
  const ranges = mergeRanges(rangesWithin(written, VLANS));
  if (ranges.length > 0) return ranges;
  throw notARange("VLAN", text, "it contains no VLAN from 1 to 4094", 'write one such as "11-28"');
}

/** Returns the VNIs of one range such as `10001-14000`. Faults: usage. */
export function parseVniRange(text: string): Range {
  if (text.includes(",")) {
    throw notARange("VNI", text, "a tenant has one range of VNIs", "leave the others out");
  }
  const range = parseRange("VNI", text, text, VNIS.last);
  if (range.last - range.first > VNI_SPAN) {
    throw notARange("VNI", text, `it spans more than ${VNI_SPAN}`, "write a shorter one");
  }
  const [usable] = rangesWithin([range], VNIS);
  if (usable) return usable;
  throw notARange("VNI", text, "0 is not a valid VNI", 'write one such as "10001-14000"');
}

/** Returns ranges as an intent file writes them: `11-28,40-50`. */
export function rangesToText(ranges: readonly Range[]): string {
  return ranges.map(({ first, last }) => `${first}-${last}`).join(",");
}

/** Reports whether `id` is in one of `ranges`. */
export function rangesHave(ranges: readonly Range[], id: number): boolean {
  return ranges.some(({ first, last }) => first <= id && id <= last);
}

/** Returns how many ids are in `ranges`, which do not overlap. */
export function countIds(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** Returns the parts of `ranges` that are within `bounds`. */
export function rangesWithin(ranges: readonly Range[], bounds: Range): Range[] {
  return ranges.flatMap((range) => clip(range, bounds));
}

/** Returns the same ids as sorted ranges that neither overlap nor adjoin. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before && range.first <= before.last + 1) {
      merged[merged.length - 1] = { ...before, last: Math.max(before.last, range.last) };
    } else merged.push(range);
  }
  return merged;
}

/** Returns the unused ids of sorted `ranges` from `start` upwards, in order. */
export function* freeIds(
  ranges: readonly Range[],
  isUsed: (id: number) => boolean,
  start = 0,
): Generator<number, undefined> {
  for (const { first, last } of ranges) {
    for (let id = Math.max(first, start); id <= last; id++) if (!isUsed(id)) yield id;
  }
}

/**
 * Finds the lowest id of sorted `ranges` that is not used, first from `start` on, then from the
 * lowest; undefined when all are used.
 */
export function lowestFreeId(
  ranges: readonly Range[],
  isUsed: (id: number) => boolean,
  start = 0,
): number | undefined {
  const further = start > 0 ? freeIds(ranges, isUsed, start).next().value : undefined;
  return further ?? freeIds(ranges, isUsed).next().value;
}

function parseRange(kind: string, text: string, part: string, limit: number): Range {
  const written = part.trim();
  if (/^\d+$/.test(written)) {
    throw notARange(kind, text, "a range is MIN-MAX", `write "${written}-${written}"`);
  }
  const match = /^(\d{1,9}) *- *(\d{1,9})$/.exec(written);
  if (!match) throw notARange(kind, text, "a range is MIN-MAX", 'write it as in "11-28"');
  const [first, last] = [Number(match[1]), Number(match[2])];
  if (last > limit) {
    throw notARange(kind, text, `${last} is above ${limit}`, `end it at ${limit} or below`);
  }
  if (first <= last) return { first, last };
  throw notARange(kind, text, `${first} is above ${last}`, `write "${last}-${first}"`);
}

function clip({ first, last }: Range, bounds: Range): Range[] {
  const clipped = { first: Math.max(first, bounds.first), last: Math.min(last, bounds.last) };
  return clipped.first <= clipped.last ? [clipped] : [];
}

function notARange(kind: string, text: string, why: string, fix: string): Fault {
  return new Fault("usage", `"${oneLine(text, 40)}" is not a valid ${kind} range`, { why, fix });
}
