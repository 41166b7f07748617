// Chance that can be played again: numbers from a seed.

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns one of `all`; undefined where there is none. */
export function oneOf<T>(random: () => number, all: readonly T[]): T | undefined {
  return all[Math.floor(random() * all.length)];
}

/** Returns up to `count` different ones of `all`, in random order. */
export function someOf<T>(random: () => number, all: readonly T[], count: number): T[] {
  const left = [...all];
  const taken: T[] = [];
  while (left.length > 0 && taken.length < count) {
    taken.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return taken;
}
