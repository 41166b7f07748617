// Which keys changed lately, for whoever looks again and again: a look costs what changed since the one
// before, not a walk through all documents.

/** A look that is further behind walks. */
const MOST = 4_096;

/** Keys in the order of their changes; only the latest are kept. */
export class ChangedKeys {
  #keys: string[] = [];
  #forgotten = 0;

  /** How many changes there were: tell it to since() at the next look. */
  get count(): number {
    return this.#forgotten + this.#keys.length;
  }

  note(key: string): void {
    this.#keys.push(key);
    if (this.#keys.length >= 2 * MOST) this.#forget(MOST);
  }

  /** Anything may have changed. */
  noteAll(): void {
    this.#forget(this.#keys.length);
    this.#forgotten++;
  }

  /** Returns the keys that changed since there were `count` changes; undefined where nobody knows. */
  since(count: number): readonly string[] | undefined {
    return count < this.#forgotten ? undefined : this.#keys.slice(count - this.#forgotten);
  }

  #forget(count: number): void {
    this.#keys.splice(0, count);
    this.#forgotten += count;
  }
}
