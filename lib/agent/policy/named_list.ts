// A list that is told anew as a whole, of which mostly one thing is another than before. Things are
// compared by identity: whoever tells them gives the same object for the same thing. Pure.

/** What is another than before. */
export interface ListChanges<T> {
  /** Whatever came or changed, in the list's order. */
  readonly fresh: readonly T[];
  /** Names that nothing has any more. */
  readonly gone: readonly string[];
}

/** Follows a list of things that have names. */
export class NamedList<T> {
  readonly #nameOf: (one: T) => string;
  #list: readonly T[] = [];
  #byName = new Map<string, T>();

  constructor(nameOf: (one: T) => string) {
    this.#nameOf = nameOf;
  }

  /** Returns what has the name; of namesakes the last one. */
  get(name: string): T | undefined {
    return this.#byName.get(name);
  }

  /** Takes over how the list is now. Where there are namesakes, more may be told as fresh than is. */
  follow(list: readonly T[]): ListChanges<T> {
    const { gone, fresh } = differences(this.#list, list);
    this.#list = list;
    const names = gone.map((one) => this.#nameOf(one));
    for (const name of names) this.#byName.delete(name);
    for (const one of fresh) this.#byName.set(this.#nameOf(one), one);
    const hasNamesakes = this.#byName.size !== list.length;
    if (hasNamesakes) this.#byName = new Map(list.map((one) => [this.#nameOf(one), one]));
    return {
      fresh: hasNamesakes ? [...this.#byName.values()] : fresh,
      gone: names.filter((name) => !this.#byName.has(name)),
    };
  }
}

/** Returns what only one of two lists has. */
function differences<T>(before: readonly T[], now: readonly T[]): { gone: T[]; fresh: T[] } {
  const most = Math.min(before.length, now.length);
  let [head, tail] = [0, 0];
  while (head < most && before[head] === now[head]) head++;
  while (tail < most - head && before.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const gone = new Set(before.slice(head, before.length - tail));
  const fresh = now.slice(head, now.length - tail).filter((one) => !gone.delete(one));
  return { gone: [...gone], fresh };
}
