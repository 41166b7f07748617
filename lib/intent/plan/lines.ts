// The change of one record in words, with the keys of the user's file.

import { oneLine } from "../../util/errors.ts";
import { NAMES } from "../file/fields.ts";
import type { AttachmentRecord, EndpointRecord } from "../records.ts";
import type { ObjectKind } from "./carried.ts";
import { podsOf } from "./live.ts";
import type { ObjectRecord } from "./stored.ts";

/** Gives one line a field that differs; for a new object all fields, for one that goes its pods. */
export function changeLines(
  kind: ObjectKind,
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
  pods: readonly AttachmentRecord[] = [],
): string[] {
  if (!after) return pods.length > 0 ? [`detaches ${podsOf(pods)}`] : [];
  const [had, has] = [fieldsOf(kind, before), fieldsOf(kind, after)];
  const labels = new Set([...had.keys(), ...has.keys()]);
  return [...labels].flatMap((label) => {
    const [old, now] = [had.get(label), has.get(label)];
    if (old === now) return [];
    return [before ? `${label}: ${old ?? "none"} → ${now ?? "none"}` : `${label}: ${now}`];
  });
}

function fieldsOf(kind: ObjectKind, record: ObjectRecord | undefined): Map<string, string> {
  const fields = new Map<string, string>();
  if (!record) return fields;
  const said = new Map(Object.entries(record));
  for (const [label, name] of Object.entries(NAMES[kind])) {
    const value = said.get(name);
    if (value === undefined || isName(kind, name)) continue;
    const chosen = said.get(`${name}By`) === "pool" ? " (from the pool)" : "";
    fields.set(label, `${words(value)}${chosen}`);
  }
  if (kind === "endpoint") addBinding(fields, record as EndpointRecord);
  return fields;
}

/** The object's own name stands above its lines. */
function isName(kind: ObjectKind, name: string): boolean {
  return name === (kind === "endpoint" ? "container" : "name");
}

function addBinding(fields: Map<string, string>, { pin, bound }: EndpointRecord): void {
  if (pin) fields.set("pinned to", pin.attachUuid ? `${pin.host} (${pin.attachUuid})` : pin.host);
  if (bound) fields.set("bound to", bound.host);
}

function words(value: unknown): string {
  return oneLine(typeof value === "string" ? value : JSON.stringify(value), 100);
}
