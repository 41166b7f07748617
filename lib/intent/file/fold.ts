// Canonical spelling of every key of a file: `networks`, `NETWORKS` and `Networks` are one key. Unknown keys are
// reported with a suggestion.

import { Fault, oneLine } from "../../util/errors.ts";
import {
  CHILD_KINDS,
  type Kind,
  NAMES,
  NOT_SUPPORTED,
  OTHER_SPELLINGS,
  ZERO_IS_ABSENT,
} from "./fields.ts";

/** Warnings of parsing, collected on the way. */
export interface Notes {
  readonly warnings: string[];
  /** Unknown keys are refused instead of noted. */
  readonly strict: boolean;
}

/**
 * Returns `value` with canonical keys. Null, empty strings and the original's zero values are left out, as they
 * meant "absent" to the original. Any value that is not an object is returned as it is. Faults: usage.
 */
export function foldKeys(kind: Kind, value: unknown, path: string, notes: Notes): unknown {
  if (Array.isArray(value)) {
    return value.map((one, index) => foldKeys(kind, one, `${path}[${index}]`, notes));
  }
  if (typeof value !== "object" || value === null) return value;
  const folded = new Map<string, { readonly spelled: string; readonly value: unknown }>();
  for (const [spelled, child] of Object.entries(value)) {
    const key = canonical(kind, spelled, path, notes);
    if (key === undefined) continue;
    const earlier = folded.get(key);
    if (earlier) throw givenTwice(join(path, key), earlier.spelled, spelled);
    const childKind = CHILD_KINDS[kind]?.[key];
    folded.set(key, {
      spelled,
      value: childKind ? foldKeys(childKind, child, join(path, key), notes) : child,
    });
  }
  const present = [...folded].filter(([key, { value }]) => !isAbsent(key, value));
  return Object.fromEntries(present.map(([key, { value }]) => [key, value]));
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function isAbsent(key: string, value: unknown): boolean {
  return value === null || value === "" || (value === 0 && ZERO_IS_ABSENT.has(key));
}

const spellings = new Map(
  (Object.keys(NAMES) as Kind[]).map((kind) => {
    const known = [
      ...Object.keys(NAMES[kind]),
      ...(kind === "network" ? NOT_SUPPORTED.keys() : []),
    ];
    const pairs = [
      ...known.map((key) => [key, key]),
      ...Object.entries(OTHER_SPELLINGS[kind] ?? {}),
    ];
    return [kind, new Map(pairs.map(([spelled = "", key = ""]) => [spelled.toLowerCase(), key]))];
  }),
);

function canonical(kind: Kind, spelled: string, path: string, notes: Notes): string | undefined {
  const known = spellings.get(kind) ?? new Map<string, string>();
  const key = known.get(spelled.toLowerCase());
  const later = key && NOT_SUPPORTED.get(key);
  if (later) {
    throw new Fault("usage", `${join(path, spelled)} is refused`, {
      why: `${later} is not supported yet`,
      fix: "leave it out",
    });
  }
  if (key !== undefined) return key;
  const place = join(path, oneLine(spelled, 40));
  const meant = closest(spelled.toLowerCase(), [...known.keys()]);
  const fix = meant === undefined ? undefined : `did you mean "${known.get(meant)}"?`;
  if (notes.strict) throw new Fault("usage", `${place} is not a known key`, { fix });
  notes.warnings.push(`${place} is not a known key, it is ignored${fix ? `; ${fix}` : ""}`);
  return undefined;
}

function givenTwice(path: string, first: string, second: string): Fault {
  return new Fault("usage", `${path} is given twice`, {
    why: `as "${oneLine(first, 40)}" and as "${oneLine(second, 40)}"`,
    fix: "leave one out",
  });
}

/** Returns the word of `words` that `word` was most likely meant to be; undefined where none is close. */
export function closest(word: string, words: readonly string[]): string | undefined {
  if (word.length > 40) return undefined;
  const near = words
    .map((other) => ({ other, distance: editDistance(word, other) }))
    .filter(({ other, distance }) => distance <= Math.max(1, Math.floor(other.length / 3)));
  return near.sort((a, b) => a.distance - b.distance)[0]?.other;
}

/** Returns the Levenshtein distance, computed one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (let column = 1; column <= b.length; column++) {
      next.push(Math.min(
        (row[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (row[column - 1] ?? 0) + (letter === b[column - 1] ? 0 : 1),
      ));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
