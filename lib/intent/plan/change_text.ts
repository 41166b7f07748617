// The change of one record as text, with the keys of the user's file: `SubnetCIDR: none → 11.1.0.0/24`.

import { oneLine } from "../../util/errors.ts";
import { NAMES } from "../file/fields.ts";
import type { AttachmentRecord, EndpointRecord, NetworkRecord } from "../records.ts";
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
  if (!after) return kind === "endpoint" && pods.length > 0 ? [`detaches ${podsOf(pods)}`] : [];
  const has = fieldsOf(kind, after);
  if (!before) return [...has].map(([label, now]) => `${label}: ${now}`);
  const had = fieldsOf(kind, before);
  const labels = new Set([...had.keys(), ...has.keys()]);
  const changed = [...labels].filter((label) => had.get(label) !== has.get(label));
  return [
    ...changed.map((label) =>
      `${label}: ${had.get(label) ?? "none"} → ${has.get(label) ?? "none"}`
    ),
    ...effectOnPods(kind, changed, pods),
  ];
}

/** What running pods follow in place, and what they only get with their next set-up. */
const FOLLOWED: readonly string[] = [
  ...["Mtu", "DefaultGw"],
  ...["GatewayType", "Reach", "ReachNetworks", "NatOutgoing"],
];
const AT_SETUP: readonly string[] = ["Mac", "Interface"];

/** Returns a line that names the running pods that a change is about. */
function effectOnPods(
  kind: ObjectKind,
  changed: readonly string[],
  pods: readonly AttachmentRecord[],
): string[] {
  if (pods.length === 0) return [];
  if (kind === "network" && changed.some((label) => FOLLOWED.includes(label))) {
    return [`running pods follow: ${podsOf(pods)}`];
  }
  return kind === "endpoint" && changed.some((label) => AT_SETUP.includes(label))
    ? [`takes effect at the next set-up of ${podsOf(pods)}`]
    : [];
}

interface Field {
  readonly label: string;
  readonly name: string;
  /** Field of the record that says who chose the value. */
  readonly by: string;
}

/** Fields shown for each kind; without the object's own name, which is in the line above. */
const FIELDS: Readonly<Record<ObjectKind, readonly Field[]>> = {
  cluster: shown("cluster"),
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
  if (kind === "network") addOwnership(fields, record as NetworkRecord);
  if (kind === "endpoint") addBinding(fields, record as EndpointRecord);
  return fields;
}

function addOwnership(
  fields: Map<string, string>,
  { owner, aliasedBecause }: NetworkRecord,
): void {
  if (owner) fields.set(STACKS, "owner of its subnet");
  if (aliasedBecause === undefined) return;
  fields.set(STACKS, `aliased, as ${aliasedBecause} owns an overlapping subnet`);
}

const STACKS = "in the hosts' stacks";

function addBinding(fields: Map<string, string>, { pin, bound }: EndpointRecord): void {
  if (pin) fields.set("pinned to", pin.attachUuid ? `${pin.host} (${pin.attachUuid})` : pin.host);
  if (bound) fields.set("bound to", bound.host);
}

function valueText(value: unknown): string {
  return oneLine(typeof value === "string" ? value : JSON.stringify(value), 100);
}

/** Returns the lines of a change as history keeps it. */
export function itemText(
  { kind, before, after }: {
    readonly kind: ObjectKind;
    readonly before?: object;
    readonly after?: object;
  },
): string[] {
  return changeText(kind, before as ObjectRecord | undefined, after as ObjectRecord | undefined);
}
