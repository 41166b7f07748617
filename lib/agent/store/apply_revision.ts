// The revision of an apply in progress: its number, its record, and what it changes.

import type { IntentChange } from "../../intent/intent_changes.ts";
import { keys } from "../../intent/records.ts";
import type { Check, Write } from "../../store/store.ts";
import { changesToParts, partWrites } from "./recorded_changes.ts";
import type { RevisionRecord } from "./revisions.ts";

// Characters. A plan's commit leaves 32 KiB for the revision, of which the request may take most.
const SHORT_CHANGES = 4_000;

/** The revision record of an apply in progress: two applies at once never share one. */
export class ApplyRevision {
  readonly #next: () => RevisionRecord;
  #record: RevisionRecord | undefined;
  #revision = 0;
  #changes: readonly IntentChange[] = [];
  #parts: readonly string[] = [];
  readonly #committed = new Set<string>();
  #words: ReadonlySet<string> = new Set();

  constructor(next: () => RevisionRecord) {
    this.#next = next;
  }

  /** Words of the endpoints that all its plans have added or removed. */
  get words(): ReadonlySet<string> {
    return this.#words;
  }

  addWords(words: ReadonlySet<string>): void {
    this.#words = this.#words.union(words);
  }

  get n(): number {
    return this.#record?.n ?? 0;
  }

  /** Reports whether it has been written. */
  get isOpen(): boolean {
    return this.#revision > 0;
  }

  /** Takes over what a plan will change; what has been committed of earlier plans stays recorded. */
  setChanges(planned: readonly IntentChange[]): void {
    const done = this.#changes.filter((one) => this.#committed.has(objectOf(one)));
    this.#changes = joined(done, planned);
    this.#parts = changesToParts(this.#changes);
  }

  /** Records which objects, `kind name`, a commit has changed. */
  committed(objects: readonly string[]): void {
    for (const object of objects) this.#committed.add(object);
  }

  /** How many objects have been changed. */
  get committedCount(): number {
    return this.#committed.size;
  }

  /** Reports whether the changes are short enough to be part of a plan's commit. */
  get areChangesShort(): boolean {
    return this.#parts.reduce((sum, part) => sum + part.length, 0) <= SHORT_CHANGES;
  }

  /** Returns the writes of the changes. */
  changeWrites(): Write[] {
    return partWrites(this.n, this.#parts);
  }

  /** Reports whether the request needs documents of its own. */
  hasParts(): boolean {
    return (this.#record ??= this.#next()).parts !== undefined;
  }

  /** Returns what must hold: the number is not in use, or the record is as we wrote it. */
  check(): Check {
    // Another client may have taken a number that was not written yet.
    if (!this.isOpen) this.#record = this.#next();
    return { key: keys.revision(this.n), revision: this.#revision };
  }

  /** Returns the write of the record, with the number that was checked last. */
  write(state: RevisionRecord["state"]): Write {
    const value = this.#record ??= this.#next();
    return writeOf({ ...value, changeParts: this.#parts.length, state });
  }

  written(revision: number): void {
    this.#revision = revision;
  }
}

/** Returns the write of a revision's record. */
export function writeOf(value: RevisionRecord): Write {
  return { key: keys.revision(value.n), value: JSON.parse(JSON.stringify(value)) };
}

function objectOf({ kind, key }: IntentChange): string {
  return `${kind} ${key}`;
}

/** Returns two lists of changes, one after the other, as one: each object as it was before both. */
function joined(first: readonly IntentChange[], then: readonly IntentChange[]): IntentChange[] {
  const changes = new Map(first.map((one) => [objectOf(one), one]));
  for (const { before, ...change } of then) {
    const earlier = changes.get(objectOf(change));
    const start = earlier ? earlier.before : before;
    changes.set(objectOf(change), {
      ...change,
      op: start ? change.op : "create",
      ...start ? { before: start } : {},
    });
  }
  return [...changes.values()];
}
