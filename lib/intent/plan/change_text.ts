// The change of one record as text, with the keys of the user's file: `SubnetCIDR: none → 11.1.0.0/24`.

import { oneLine } from "../../util/errors.ts";
import { NAMES } from "../file/fields.ts";
import type { AttachmentRecord, EndpointRecord } from "../records.ts";
import type { ObjectKind } from "./unknown_fields.ts";
import { podsOf } from "./live.ts";
import type { ObjectRecord } from "./stored.ts";

/** Returns one line for each field that differs; for a new object all fields, for a deleted one its pods. */
export function changeText(
  kind: ObjectKind,
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
  pods: readonly AttachmentRecord[] = [],
): string[] {
  if (!after) return pods.length > 0 ? [`detaches ${podsOf(pods)}`] : [];
  const has = fieldsOf(kind, after);
  if (!before) return [...has].map(([label, now]) => `${label}: ${now}`);
  const had = fieldsOf(kind, before);
  const labels = new Set([...had.keys(), ...has.keys()]);
  return [...labels].flatMap((label) => {
    const [old = "none", now = "none"] = [had.get(label), has.get(label)];
    return old === now ? [] : [`${label}: ${old} → ${now}`];
  });
}

interface Field {
  readonly label: string;
  readonly name: string;
  /** Field of the record that says who chose the value. */
  readonly by: string;
}

/** Fields shown for each kind; without the object's own name, which is in the line above. */
const FIELDS: Readonly<Record<ObjectKind, readonly Field[]>> = {
  host: shown("host"),
  tenant: shown("tenant"),
  network: shown("network"),
  endpoint: shown("endpoint"),
};

function shown(kind: ObjectKind): Field[] {
  const own = kind === "endpoint" ? "container" : "name";
  return Object.entries(NAMES[kind]).filter(([, name]) => name !== own)
    .map(([label, name]) => ({ label, name, by: `${name}By` }));
}

function fieldsOf(kind: ObjectKind, record: ObjectRecord): Map<string, string> {
  const fields = new Map<string, string>();
  for (const { label, name, by } of FIELDS[kind]) {
    const value = Reflect.get(record, name);
    if (value === undefined) continue;
    const chosen = Reflect.get(record, by) === "pool" ? " (from the pool)" : "";
    fields.set(label, `${valueText(value)}${chosen}`);
  }
  if (kind === "endpoint") addBinding(fields, record as EndpointRecord);
  return fields;
}

function addBinding(fields: Map<string, string>, { pin, bound }: EndpointRecord): void {
  if (pin) fields.set("pinned to", pin.attachUuid ? `${pin.host} (${pin.attachUuid})` : pin.host);
  if (bound) fields.set("bound to", bound.host);
}

function valueText(value: unknown): string {
  return oneLine(typeof value === "string" ? value : JSON.stringify(value), 100);
}
