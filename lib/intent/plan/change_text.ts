// The change of one record as text, with the keys of the user's file: `SubnetCIDR: none → 11.1.0.0/24`.

import { isSame } from "../../util/same_json.ts";
import { NAMES } from "../file/fields.ts";
import type { AttachmentRecord, EndpointRecord, NetworkRecord } from "../records.ts";
import type { ObjectKind } from "./unknown_fields.ts";
import { podsOf } from "./live.ts";
import { ITEM_LISTS, itemLines } from "./item_changes.ts";
import type { ObjectRecord } from "./stored.ts";
import { changedText, valueText } from "./value_text.ts";

/** Returns one line for each field that differs; for a new object all fields, for a deleted one its pods. */
export function changeText(
  kind: ObjectKind,
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
  pods: readonly AttachmentRecord[] = [],
): string[] {
  if (!after) return kind === "endpoint" && pods.length > 0 ? [`detaches ${podsOf(pods)}`] : [];
  const has = fieldsOf(kind, after);
  if (!before) {
    return [
      ...[...has].map(([label, { value, by }]) => `${label}: ${valueText(value)}${by}`),
      ...itemLines(undefined, after),
    ];
  }
  const had = fieldsOf(kind, before);
  const labels = new Set([...had.keys(), ...has.keys()]);
  const changed = [...labels].filter((label) => !isSame(had.get(label), has.get(label)));
  return [
    ...changed.map((label) => `${label}: ${differenceText(had.get(label), has.get(label))}`),
    ...itemLines(before, after),
    ...effectOnPods(kind, changed, pods),
    ...effectOfGroup(had.get("Group"), has.get("Group"), pods),
    ...effectOfAddress(
      changed.filter((label) => had.get(label)?.value !== has.get(label)?.value),
      pods,
    ),
  ];
}

/** What running pods follow in place, and what they only get with their next set-up. */
const FOLLOWED: readonly string[] = [
  ...["Mtu", "DefaultGw"],
  ...["GatewayType", "Reach", "ReachNetworks", "NatOutgoing"],
];
const AT_SETUP: readonly string[] = ["Mac", "Interface"];
/** What they get by being attached again, if a rollback is forced. */
const GIVEN_ANEW: readonly string[] = ["IpAddress", "SubnetCIDR"];

/** Returns a line that names the running pods that get another address or prefix length. */
function effectOfAddress(
  changed: readonly string[],
  pods: readonly AttachmentRecord[],
): string[] {
  if (pods.length === 0 || !changed.some((label) => GIVEN_ANEW.includes(label))) return [];
  return [`detached, and attached again with it: ${podsOf(pods)}`];
}

/** Returns a line that names the running pods that leave a group: its policies protect them no longer. */
function effectOfGroup(
  before: Said | undefined,
  after: Said | undefined,
  pods: readonly AttachmentRecord[],
): string[] {
  if (pods.length === 0 || before?.value === undefined || after?.value !== undefined) return [];
  return [`policies of group ${valueText(before.value)} no longer protect ${podsOf(pods)}`];
}

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
  return Object.entries(NAMES[kind])
    .filter(([, name]) => name !== own && !ITEM_LISTS.some(({ field }) => field === name))
    .map(([label, name]) => ({ label, name, by: `${name}By` }));
}

/** A field's value, and who chose it, for people. */
interface Said {
  readonly value: unknown;
  readonly by: "" | " (from the pool)";
}

function differenceText(had: Said | undefined, has: Said | undefined): string {
  if (!had?.by && !has?.by) return changedText(had?.value, has?.value);
  return [had, has].map((one) => one ? `${valueText(one.value)}${one.by}` : "none").join(" → ");
}

function fieldsOf(kind: ObjectKind, record: ObjectRecord): Map<string, Said> {
  const fields = new Map<string, Said>();
  for (const { label, name, by } of FIELDS[kind]) {
    const value = Reflect.get(record, name);
    if (value === undefined) continue;
    fields.set(label, { value, by: Reflect.get(record, by) === "pool" ? " (from the pool)" : "" });
  }
  if (kind === "network") addOwnership(fields, record as NetworkRecord);
  if (kind === "endpoint") addBinding(fields, record as EndpointRecord);
  return fields;
}

function addOwnership(
  fields: Map<string, Said>,
  { owner, aliasedBecause }: NetworkRecord,
): void {
  if (owner) fields.set(STACKS, said("owner of its subnet"));
  if (aliasedBecause === undefined) return;
  fields.set(STACKS, said(`aliased, as ${aliasedBecause} owns an overlapping subnet`));
}

const STACKS = "in the hosts' stacks";

function addBinding(fields: Map<string, Said>, { pin, bound }: EndpointRecord): void {
  if (pin) {
    fields.set("pinned to", said(pin.attachUuid ? `${pin.host} (${pin.attachUuid})` : pin.host));
  }
  if (bound) fields.set("bound to", said(bound.host));
}

const said = (value: string): Said => ({ value, by: "" });

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
