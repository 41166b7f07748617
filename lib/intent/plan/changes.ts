// The difference between the stored records and the target, as one draft of an operation an object.

import {
  type ArrivalRecord,
  type AttachmentRecord,
  type ClaimRecord,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../records.ts";
import { Fault } from "../../util/errors.ts";
import type { ObjectKind } from "./unknown_fields.ts";
import { endpointClaim, networkClaims } from "./claims.ts";
import { changeText } from "./change_text.ts";
import { type LiveAttachments, refuseLiveChange } from "./live.ts";
import type { Json, Operation, PlanCheck, PlanWrite, SubnetListEdit } from "./operation.ts";
import {
  endpointKeyOf,
  nameOf,
  networkKeyOf,
  type ObjectRecord,
  type Stored,
  tenantKeyOf,
} from "./stored.ts";
import type { Target } from "./target.ts";

/** An operation before it has its place, with what that place depends on. */
export interface Draft extends Omit<Operation, "group"> {
  readonly key: string;
  /** Key of the record that this one stands below. */
  readonly parent?: string;
  readonly releases: readonly string[];
  readonly takes: readonly string[];
}

interface Change {
  readonly kind: ObjectKind;
  readonly key: string;
  readonly before: ObjectRecord | undefined;
  readonly after: ObjectRecord | undefined;
}

/** Fields whose change would cut off pods, by kind, with the file's word for them. */
const FIXED_UNDER_PODS: Readonly<Partial<Record<ObjectKind, Readonly<Record<string, string>>>>> = {
  network: { encap: "PktTagType", tag: "PktTag", subnet: "SubnetCIDR" },
  endpoint: { address: "IpAddress" },
};

/** Returns what differs. Faults: conflict, where pods are attached to what would move. */
export function draftsOf(
  stored: Stored,
  target: Target,
  { live, untouched }: { readonly live: LiveAttachments; readonly untouched: ReadonlySet<string> },
): Draft[] {
  const changes = [
    ...differing("host", stored.hosts, target.hosts),
    ...differing("tenant", stored.tenants, target.tenants),
    ...differing("network", stored.networks, target.networks),
    ...differing("endpoint", stored.endpoints, target.endpoints),
  ].filter(({ key }) => !untouched.has(key));
  for (const change of changes) refuseUnderPods(live, change);
  const given = new Set(changes.flatMap(({ kind, after }) => claimsOf(kind, after)));
  const podsByEndpoint = Map.groupBy(stored.attachments.values(), endpointKeyOf);
  return changes.map((change) =>
    draftOf(stored, change, { target, given, pods: podsByEndpoint.get(change.key) })
  );
}

function* differing<T extends ObjectRecord>(
  kind: ObjectKind,
  records: ReadonlyMap<string, T>,
  target: ReadonlyMap<string, T>,
): Generator<Change> {
  for (const [key, before] of records) {
    if (!target.has(key)) yield { kind, key, before, after: undefined };
  }
  for (const [key, after] of target) {
    const before = records.get(key);
    if (!isSame(before, after)) yield { kind, key, before, after };
  }
}

/** Compares JSON documents; the order of keys does not matter. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), Object.keys(b)];
  return left.length === right.length &&
    left.every(([key, value]) => Object.hasOwn(b, key) && isSame(value, Reflect.get(b, key)));
}

function refuseUnderPods(live: LiveAttachments, { kind, key, before, after }: Change): void {
  if (!before || !after) return;
  const held = Object.entries(FIXED_UNDER_PODS[kind] ?? {})
    .filter(([field]) => Reflect.get(before, field) !== Reflect.get(after, field));
  refuseLiveChange(live, key, held.map(([, word]) => word));
}

function claimsOf(kind: ObjectKind, record: ObjectRecord | undefined): string[] {
  if (!record) return [];
  if (kind === "network") return networkClaims(record as NetworkRecord);
  return kind === "endpoint" ? [endpointClaim(record as EndpointRecord)] : [];
}

function draftOf(
  stored: Stored,
  { kind, key, before, after }: Change,
  { target, given, pods }: {
    readonly target: Target;
    /** Claims that some record has after the change. */
    readonly given: ReadonlySet<string>;
    readonly pods: readonly AttachmentRecord[] | undefined;
  },
): Draft {
  const [had, has] = [claimsOf(kind, before), claimsOf(kind, after)];
  // A claim that a kept record has lost is written again.
  const takes = has.filter((claim) => !had.includes(claim) || !stored.claims.has(claim));
  const releases = had.filter((claim) =>
    !has.includes(claim) && stored.claims.get(claim)?.owner === key && !stored.unreadable.has(claim)
  );
  const parent = parentOf(kind, after ?? before);
  const check = (key: string): PlanCheck => ({ key, revision: stored.revisionOf(key) });
  const claim: ClaimRecord = { schema: SCHEMA, owner: key };
  const subnets = kind === "network" ? subnetEdit(stored, before, after) : undefined;
  const object = { verb: verbOf(before, after), kind, name: nameOf(key), key, parent, takes };
  const guard = concurrencyMarks(stored, target, object);
  return {
    verb: object.verb,
    kind,
    name: object.name,
    lines: changeText(kind, before, after, pods),
    checks: [
      check(key),
      ...takes.map(check),
      ...(after && parent ? [check(parent)] : []),
      ...guard.checks.map(check),
    ],
    writes: [
      write(key, after),
      ...takes.map((key) => write(key, claim)),
      ...releases.filter((claim) => !given.has(claim)).map((key) => write(key, undefined)),
      ...guard.writes,
    ],
    ...(subnets ? { subnets } : {}),
    key,
    ...(parent ? { parent } : {}),
    releases,
    takes,
  };
}

/**
 * A parent may go or change at the very moment when a child comes, as seen by two who do not know each
 * other. So a child's coming leaves a mark on what its parent's change checks: a network lists its
 * tenant's subnets anyway; an endpoint that takes an address says so in its network's arrivals.
 */
function concurrencyMarks(
  stored: Stored,
  target: Target,
  { verb, kind, name, key, parent = "", takes }: Pick<Draft, "verb" | "kind" | "name" | "takes"> & {
    readonly key: string;
    readonly parent: string | undefined;
  },
): { readonly checks: readonly string[]; readonly writes: readonly PlanWrite[] } {
  if (verb === "delete" && kind === "tenant") return { checks: [keys.subnets(name)], writes: [] };
  if (kind === "network" && verb !== "create" && affectsNewEndpoints(stored, target, key)) {
    const mark = arrivalKey(key);
    const isGone = verb === "delete" && stored.revisionOf(mark) > 0;
    return { checks: [mark], writes: isGone ? [write(mark, undefined)] : [] };
  }
  if (kind !== "endpoint" || takes.length === 0) return NO_MARKS;
  const arrival: ArrivalRecord = { schema: SCHEMA, endpoint: name };
  return { checks: [], writes: [write(arrivalKey(parent), arrival)] };
}

const NO_MARKS = { checks: [], writes: [] };

function verbOf(
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
): Operation["verb"] {
  if (!before) return "create";
  return after ? "update" : "delete";
}

/** What an endpoint that comes at this very moment has its address by. */
const ADDRESSING = ["encap", "tag", "subnet", "gateway", "reserve", "allocRange"] as const;

/** Set-ups that make endpoints come by the hundred: only a change that concerns them has to meet them. */
function affectsNewEndpoints(stored: Stored, target: Target, key: string): boolean {
  const [before, after] = [stored.networks.get(key), target.networks.get(key)];
  return !before || !after || ADDRESSING.some((field) => !isSame(before[field], after[field]));
}

function arrivalKey(networkKey: string): string {
  const [, tenant = "", network = ""] = networkKey.split("/");
  return keys.arrival(tenant, network);
}

function write(
  key: string,
  value: ObjectRecord | ClaimRecord | ArrivalRecord | undefined,
): PlanWrite {
  // Records are plain JSON; their interfaces just have no index signature.
  return { key, value: value as unknown as Json | undefined };
}

/** Returns the key of the record that must be there for `record` to be. */
function parentOf(kind: ObjectKind, record: ObjectRecord | undefined): string | undefined {
  if (kind === "network") return tenantKeyOf(record as NetworkRecord);
  return kind === "endpoint" ? networkKeyOf(record as EndpointRecord) : undefined;
}

function subnetEdit(
  stored: Stored,
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
): SubnetListEdit | undefined {
  const [had, has] = [before as NetworkRecord | undefined, after as NetworkRecord | undefined];
  const one = has ?? had;
  if (!one || had?.subnet === has?.subnet) return undefined;
  const why = stored.unreadable.get(keys.subnets(one.tenant));
  if (why !== undefined) {
    throw new Fault("failed", `subnets of tenant ${one.tenant} stay as they are`, {
      why: `their list cannot be read: ${why}`,
      fix: "use a newer k8contivnet",
    });
  }
  return {
    tenant: one.tenant,
    revision: stored.revisionOf(keys.subnets(one.tenant)),
    network: one.name,
    ...(had ? { drop: had.subnet } : {}),
    ...(has ? { add: has.subnet } : {}),
  };
}
