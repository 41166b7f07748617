// The difference between the stored records and the target: one draft of an operation for each object.

import {
  type ArrivalRecord,
  type AttachmentRecord,
  type ClaimRecord,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../records.ts";
import type { ObjectKind } from "./unknown_fields.ts";
import { isDistributed } from "../reach_settings.ts";
import { endpointClaim, networkClaims } from "./claims.ts";
import { changeText } from "./change_text.ts";
import { type LiveAttachments, refuseLiveChange } from "./live.ts";
import type { Operation, PlanCheck, PlanWrite } from "./operation.ts";
import {
  endpointKeyOf,
  nameOf,
  networkKeyOf,
  type ObjectRecord,
  type Stored,
  tenantKeyOf,
} from "./stored.ts";
import { subnetEdits } from "./subnet_lists.ts";
import type { Target } from "./target.ts";
import type { Json } from "../../util/json.ts";
import { isSame } from "../../util/same_json.ts";

/** An operation before it is ordered, with the facts that its order depends on. */
export interface Draft extends Omit<Operation, "group"> {
  readonly key: string;
  /** Key of the record that this one belongs to. */
  readonly parent?: string;
  /** Keys of claims that its record gives up. */
  readonly releases: readonly string[];
  /** Keys of claims that its record gets. */
  readonly takes: readonly string[];
}

interface Change {
  readonly kind: ObjectKind;
  readonly key: string;
  readonly before: ObjectRecord | undefined;
  readonly after: ObjectRecord | undefined;
}

/** Fields that cannot change under attached pods, by kind, with their key in the file. */
const FIXED_UNDER_PODS: Readonly<Partial<Record<ObjectKind, Readonly<Record<string, string>>>>> = {
  network: { encap: "PktTagType", tag: "PktTag", subnet: "SubnetCIDR" },
  endpoint: { address: "IpAddress" },
};

/** Of these, what running pods are given anew where a plan is forced: they are attached again with it. */
const GIVEN_ANEW: ReadonlySet<string> = new Set(["SubnetCIDR", "IpAddress"]);

/** What limits the differences. */
interface DraftOptions {
  readonly live: LiveAttachments;
  readonly untouched: ReadonlySet<string>;
  /** Whether running pods may be given other addresses; undefined if no `--force` is known that allows it. */
  readonly mayGiveAnew?: boolean;
}

/** Returns the differences. Faults: conflict, where pods are attached to an object that would move. */
export function draftsOf(
  stored: Stored,
  target: Target,
  { live, untouched, mayGiveAnew }: DraftOptions,
): Draft[] {
  const changes = [
    ...differing("cluster", stored.cluster, target.cluster),
    ...differing("host", stored.hosts, target.hosts),
    ...differing("tenant", stored.tenants, target.tenants),
    ...differing("network", stored.networks, target.networks),
    ...differing("endpoint", stored.endpoints, target.endpoints),
  ].filter(({ key }) => !untouched.has(key));
  for (const change of changes) refuseUnderPods(live, change, mayGiveAnew);
  const kept = new Set(changes.flatMap(({ kind, after }) => claimsOf(kind, after)));
  const podsByEndpoint = Map.groupBy(stored.attachments.values(), endpointKeyOf);
  const podsByNetwork = Map.groupBy(stored.attachments.values(), networkKeyOf);
  return changes.map((change) =>
    draftOf(stored, change, {
      target,
      kept,
      pods: podsByEndpoint.get(change.key) ?? podsByNetwork.get(change.key),
    })
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

function refuseUnderPods(
  live: LiveAttachments,
  { kind, key, before, after }: Change,
  mayGiveAnew: boolean | undefined,
): void {
  if (!before || !after) return;
  const held = Object.entries(FIXED_UNDER_PODS[kind] ?? {})
    .filter(([field]) => Reflect.get(before, field) !== Reflect.get(after, field))
    .map(([, fileKey]) => fileKey)
    .filter((fileKey) => !mayGiveAnew || !GIVEN_ANEW.has(fileKey));
  const isForceable = mayGiveAnew === false && held.every((fileKey) => GIVEN_ANEW.has(fileKey));
  refuseLiveChange(live, key, held, isForceable ? ", or add --force" : "");
}

function claimsOf(kind: ObjectKind, record: ObjectRecord | undefined): string[] {
  if (!record) return [];
  if (kind === "network") return networkClaims(record as NetworkRecord);
  return kind === "endpoint" ? [endpointClaim(record as EndpointRecord)] : [];
}

function draftOf(
  stored: Stored,
  { kind, key, before, after }: Change,
  { target, kept, pods }: {
    readonly target: Target;
    /** Claims that any record has after the change. */
    readonly kept: ReadonlySet<string>;
    readonly pods: readonly AttachmentRecord[] | undefined;
  },
): Draft {
  const [had, has] = [claimsOf(kind, before), claimsOf(kind, after)];
  // A claim that is missing though its record has the value is created again.
  const takes = has.filter((claim) => !had.includes(claim) || !stored.claims.has(claim));
  const releases = had.filter((claim) =>
    !has.includes(claim) && stored.claims.get(claim)?.owner === key && !stored.unreadable.has(claim)
  );
  const parent = parentOf(kind, after ?? before);
  const check = (key: string): PlanCheck => ({ key, revision: stored.revisionOf(key) });
  const claim: ClaimRecord = { schema: SCHEMA, owner: key };
  const subnets = kind === "network"
    ? subnetEdits(stored, before as NetworkRecord | undefined, after as NetworkRecord | undefined)
    : [];
  const object = { verb: verbOf(before, after), kind, name: nameOf(key), key, parent, takes };
  const marks = concurrencyMarks(stored, target, object);
  return {
    verb: object.verb,
    kind,
    name: object.name,
    lines: changeText(kind, before, after, pods),
    checks: [
      check(key),
      ...takes.map(check),
      ...(after && parent ? [check(parent)] : []),
      ...settingsKeys(kind, after).map(check),
      ...marks.checks.map(check),
    ],
    writes: [
      write(key, after),
      ...takes.map((key) => write(key, claim)),
      ...releases.filter((claim) => !kept.has(claim)).map((key) => write(key, undefined)),
      ...marks.writes,
    ],
    ...(subnets.length > 0 ? { subnets } : {}),
    key,
    ...(parent ? { parent } : {}),
    releases,
    takes,
  };
}

/**
 * Two agents may plan at the same time: one deletes or changes a parent, the other adds a child. So a new
 * child writes a key that its parent's change checks: a network is added to its tenant's list of subnets
 * anyway; an endpoint that takes an address writes its network's `arrivals/` document.
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
    const arrivals = arrivalKey(key);
    const isGone = verb === "delete" && stored.revisionOf(arrivals) > 0;
    return { checks: [arrivals], writes: isGone ? [write(arrivals, undefined)] : [] };
  }
  if (kind !== "endpoint" || takes.length === 0) return NO_MARKS;
  const arrival: ArrivalRecord = { schema: SCHEMA, endpoint: name };
  return { checks: [], writes: [write(arrivalKey(parent), arrival)] };
}

/** Returns what two agents must not change at once: the range of services or hosts, and a subnet beside it. */
function settingsKeys(kind: ObjectKind, after: ObjectRecord | undefined): string[] {
  if (kind === "cluster") return [keys.owners];
  return kind === "network" && after && isDistributed(after as NetworkRecord) ? [keys.cluster] : [];
}

const NO_MARKS = { checks: [], writes: [] };

function verbOf(
  before: ObjectRecord | undefined,
  after: ObjectRecord | undefined,
): Operation["verb"] {
  if (!before) return "create";
  return after ? "update" : "delete";
}

/** Fields of a network that the address of a new endpoint depends on. */
const ADDRESSING = ["encap", "tag", "subnet", "gateway", "reserve", "allocRange"] as const;

/** Set-ups add endpoints by the hundred: only changes that affect them may conflict with them. */
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

/** Returns the key of the record that must exist for `record`. */
function parentOf(kind: ObjectKind, record: ObjectRecord | undefined): string | undefined {
  if (kind === "network") return tenantKeyOf(record as NetworkRecord);
  return kind === "endpoint" ? networkKeyOf(record as EndpointRecord) : undefined;
}
