// What an apply changed, kept beside its revision's record in parts: `revisions/<n>/<part>`. Compressed, as all
// agents cache it: 10,000 new endpoints are 3 MB of JSON, and some 200 KB here.

import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { IntentChange } from "../../intent/intent_changes.ts";
import { type Documents, keys, SCHEMA } from "../../intent/records.ts";
import type { Write } from "../../store/store.ts";

// Of base64; a commit can carry 512 KiB.
const PART_LENGTH = 300_000;

/**
 * `revisions/<n>/<part>`. `n` and `state` make it readable to versions that know only the records of
 * revisions, and such a state means nothing to them.
 */
interface ChangesPart {
  readonly schema: number;
  readonly n: number;
  readonly state: "changes";
  readonly text: string;
}

/** Returns the changes as texts; each fits into a commit of its own. */
export function changesToParts(changes: readonly IntentChange[]): string[] {
  const text = deflateRawSync(JSON.stringify(changes)).toString("base64");
  const count = Math.ceil(text.length / PART_LENGTH);
  return Array.from(
    { length: count },
    (_, part) => text.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH),
  );
}

/** Returns the writes that keep the parts of revision `n`. */
export function partWrites(n: number, parts: readonly string[]): Write[] {
  return parts.map((text, part) => {
    const value: ChangesPart = { schema: SCHEMA, n, state: "changes", text };
    return { key: keys.revisionPart(n, part), value: { ...value } };
  });
}

/** Where the changes of a revision are. */
interface Place {
  readonly n: number;
  readonly parts: number;
}

/** Reports whether all parts are there. */
export function hasChanges(documents: Documents, { n, parts }: Place): boolean {
  const all = Array.from({ length: parts }, (_, part) => keys.revisionPart(n, part));
  return parts > 0 && all.every((key) => documents.has(key));
}

/** Returns the changes of revision `n`; undefined if they are not all there, or not readable. */
export function findChanges(documents: Documents, { n, parts }: Place): IntentChange[] | undefined {
  if (!hasChanges(documents, { n, parts })) return undefined;
  const texts = Array.from(
    { length: parts },
    (_, part) => (documents.get(keys.revisionPart(n, part))?.value as ChangesPart).text,
  );
  try {
    const json = inflateRawSync(Uint8Array.fromBase64(texts.join("")));
    return JSON.parse(new TextDecoder().decode(json));
  } catch {
    return undefined;
  }
}
