// A number from a text, the same after each start and on each host; not for anything that has to be hard to guess.

/** Returns a number from 0 to 2^32 - 1: FNV-1a over the bytes of UTF-8 (draft-eastlake-fnv, §2). */
export function fnv32(text: string): number {
  let value = 0x811c_9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x0100_0193);
  }
  return value >>> 0;
}
