// "Did you mean": the known word nearest to what was typed.

/** Gives the word of `known` that is at most a third of its letters away from `typed`. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((word) => ({ word, away: distance(typed.slice(0, 40), word) }))
    .filter(({ word, away }) => away <= Math.max(1, Math.floor(word.length / 3)))
    .sort((a, b) => a.away - b.away);
  return ranked[0]?.word;
}

/** Levenshtein's: insertions, deletions and replacements from one word to the other. */
function distance(from: string, to: string): number {
  let before = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (before[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    before = row;
  }
  return before[to.length] ?? 0;
}
