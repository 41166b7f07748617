// A list that is always passed as a whole, but of which mostly one element has changed. Elements are
// compared by identity: the caller passes the same object for an unchanged element. Pure.

/** Differences between two versions of a list. */
export interface ListChanges<T> {
  /** New and changed elements, in the order of the list. */
  readonly fresh: readonly T[];
  /** Names of the elements that were removed. */
  readonly gone: readonly string[];
}

/** Follows a list of named elements. */
export class NamedList<T> {
  readonly #nameOf: (one: T) => string;
  #list: readonly T[] = [];
  #byName = new Map<string, T>();

  constructor(nameOf: (one: T) => string) {
    this.#nameOf = nameOf;
  }

  /** Returns the element with this name; the last one of several. */
  get(name: string): T | undefined {
    return this.#byName.get(name);
  }

  /** Takes over the new version of the list. With duplicate names, more may be reported as fresh than is. */
  follow(list: readonly T[]): ListChanges<T> {
    const { gone, fresh } = differences(this.#list, list);
    this.#list = list;
    const names = gone.map((one) => this.#nameOf(one));
    for (const name of names) this.#byName.delete(name);
    for (const one of fresh) this.#byName.set(this.#nameOf(one), one);
    const hasDuplicates = this.#byName.size !== list.length;
    if (hasDuplicates) this.#byName = new Map(list.map((one) => [this.#nameOf(one), one]));
    return {
      fresh: hasDuplicates ? [...this.#byName.values()] : fresh,
      gone: names.filter((name) => !this.#byName.has(name)),
    };
  }
}

/** Returns the elements that only one of two lists has. */
function differences<T>(before: readonly T[], now: readonly T[]): { gone: T[]; fresh: T[] } {
  const most = Math.min(before.length, now.length);
  let [head, tail] = [0, 0];
  while (head < most && before[head] === now[head]) head++;
  while (tail < most - head && before.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const gone = new Set(before.slice(head, before.length - tail));
  const fresh = now.slice(head, now.length - tail).filter((one) => !gone.delete(one));
  return { gone: [...gone], fresh };
}
