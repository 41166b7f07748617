// Journal of changed keys, for readers that follow changes: each read costs what changed since the previous
// one, not a scan of all documents.

/** A reader that is further behind scans all documents. */
const MOST = 4_096;

/** Keys in the order of their changes; only the latest are kept. */
export class ChangedKeys {
  #keys: string[] = [];
  #forgotten = 0;

  /** Number of changes so far, to be passed to since() at the next read. */
  get count(): number {
    return this.#forgotten + this.#keys.length;
  }

  note(key: string): void {
    this.#keys.push(key);
    if (this.#keys.length >= 2 * MOST) this.#forget(MOST);
  }

  /** Notes that anything may have changed. */
  noteAll(): void {
    this.#forget(this.#keys.length);
    this.#forgotten++;
  }

  /** Returns the keys that changed since there were `count` changes; undefined where that is not known. */
  since(count: number): readonly string[] | undefined {
    return count < this.#forgotten ? undefined : this.#keys.slice(count - this.#forgotten);
  }

  #forget(count: number): void {
    this.#keys.splice(0, count);
    this.#forgotten += count;
  }
}
