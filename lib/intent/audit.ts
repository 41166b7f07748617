// Checks that records and claims agree, and computes the usage of the address pools. Pure.
//
// A claim is a key with the record that took it as its owner; the record has the claimed value. After any
// crash the two agree, since they change in one commit: a difference is a bug, or a manual change.

import { type AddressPool, poolHas, poolSize, refusalOf } from "../ipam/addresses.ts";
import { overlap, parseAddress, parseSubnet } from "../ipam/subnets.ts";
import { heldUntil } from "./dynamic.ts";
import {
  type AttachmentRecord,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  type HostNumberRecord,
  keys,
  type NetworkRecord,
  type OwnersRecord,
  type SubnetsRecord,
} from "./records.ts";
import { endpointClaim, networkClaims } from "./plan/claims.ts";
import { documentsIn, groups } from "./indexed_documents.ts";
import { readableAt, whyUnreadable } from "./readable.ts";
import { endpointKeyOf } from "./plan/stored.ts";
import { idOf } from "./reach_settings.ts";
import { poolOf } from "./field_rules.ts";
import { areIndexesComplete, type IndexDifference, indexDifferences } from "./store_index.ts";

/** A record and a claim that contradict each other. */
export interface Difference {
  /** Key of the record. */
  readonly name: string;
  /** What is wrong with it. */
  readonly why: string;
}

/** Returns the documents that this version cannot read, by key: of a newer version or another program. */
export function unreadableRecords(documents: Documents): Difference[] {
  return documentsIn(documents, groups.unreadable)
    .map(([name, value]) => ({ name, why: whyUnreadable(name, value) ?? "" }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Usage of one network's address pool. */
export interface PoolUse {
  readonly tenant: string;
  readonly network: string;
  readonly subnet: string;
  /** Addresses that may be chosen. */
  readonly size: number;
  readonly used: number;
  readonly free: number;
  /** Those of the used ones that are held for a deleted pod, sorted by the end of that time. */
  readonly held: readonly HeldAddress[];
}

/** An address that is held for a pod that may come back. */
export interface HeldAddress {
  /** `namespace/name` */
  readonly pod: string;
  readonly address: string;
  /** ISO 8601, UTC. */
  readonly until: string;
}

/** Returns every difference between records and claims, and every unreadable document, sorted by key. */
export function auditClaims(documents: Documents): Difference[] {
  const attached = new Set(
    below<AttachmentRecord>(documents, "attachments/").map(([, one]) => endpointKeyOf(one)),
  );
  const found = [
    ...unreadableRecords(documents),
    ...below<NetworkRecord>(documents, "networks/").flatMap(([key, record]) =>
      missingClaims(documents, key, networkClaims(record))
    ),
    ...below<EndpointRecord>(documents, "endpoints/").flatMap(([key, record]) => [
      ...missingClaims(documents, key, [endpointClaim(record)]),
      ...misplaced(documents, key, record),
      ...unattached(attached, key, record),
    ]),
    ...below<ClaimRecord>(documents, "claims/").flatMap(([key, claim]) =>
      isHeld(documents, key, claim) ? [] : [{
        name: key,
        why: documents.has(claim.owner)
          ? `${claim.owner} has another value`
          : `its owner ${claim.owner} does not exist`,
      }]
    ),
    ...below<SubnetsRecord>(documents, "subnets/").flatMap(([key, record]) =>
      wrongSubnets(documents, key, record)
    ),
    ...below<HostNumberRecord>(documents, "hostnumbers/").flatMap(([key, { number }]) =>
      missingClaims(documents, key, [keys.hostNumberClaim(number)])
    ),
    ...wrongOwners(documents),
    ...wrongIndexes(documents),
  ];
  return found.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Returns the size of a network's pool, and what says whether an address is in it. */
export function poolUseOf(
  network: NetworkRecord,
): { readonly size: number; readonly has: (address: string) => boolean } {
  const pool = networkPool(network);
  return { size: poolSize(pool), has: (address) => poolHas(pool, parseAddress(address)) };
}

/** Returns the usage of each network's pool, sorted by tenant and network. */
export function poolsInUse(documents: Documents): PoolUse[] {
  const addresses = Map.groupBy(
    below<EndpointRecord>(documents, "endpoints/").map(([, one]) => one),
    ({ tenant, network }) => keys.network(tenant, network),
  );
  return below<NetworkRecord>(documents, "networks/").map(([key, network]) => {
    const { size, has } = poolUseOf(network);
    const endpoints = addresses.get(key) ?? [];
    const used = endpoints.filter(({ address }) => has(address)).length;
    const { tenant, name, subnet } = network;
    const held = heldOf(documents, endpoints);
    return { tenant, network: name, subnet, size, used, free: size - used, held };
  });
}

function heldOf(documents: Documents, endpoints: readonly EndpointRecord[]): HeldAddress[] {
  return endpoints.flatMap((one) => {
    const until = heldUntil(documents, one);
    if (until === undefined) return [];
    const pod = `${one.namespace}/${one.dynamic?.pod}`;
    return [{ pod, address: one.address, until: new Date(until).toISOString() }];
  }).sort((a, b) => a.until < b.until ? -1 : 1);
}

function networkPool(network: NetworkRecord): AddressPool {
  const { tenant, name, subnet } = network;
  return poolOf((key) => key, `${tenant}/${name}`, network, parseSubnet(subnet));
}

function below<T>(documents: Documents, prefix: string): [string, T][] {
  return [...documents].filter(([key, { value }]) =>
    key.startsWith(prefix) && whyUnreadable(key, value) === undefined
  ).sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, { value }]) => [key, value as T]);
}

function missingClaims(documents: Documents, key: string, claims: readonly string[]): Difference[] {
  return claims.filter((claim) => !documents.has(claim))
    .map((claim) => ({ name: key, why: `${claim} does not exist` }))
    .concat(
      claims.filter((claim) => {
        const owner = readableAt<ClaimRecord>(documents, claim)?.owner;
        return owner !== undefined && owner !== key;
      }).map((claim) => ({ name: key, why: `${claim} belongs to another record` })),
    );
}

/** Reports whether the owner of a claim has the claimed value. */
export function isHeld(documents: Documents, claim: string, { owner }: ClaimRecord): boolean {
  const record = documents.get(owner)?.value;
  // Whether an unreadable record has it is known to a newer version only.
  if (record !== undefined && whyUnreadable(owner, record) !== undefined) return true;
  if (owner.startsWith("networks/") && record) {
    return networkClaims(record as NetworkRecord).includes(claim);
  }
  if (owner.startsWith("hostnumbers/") && record) {
    return keys.hostNumberClaim((record as HostNumberRecord).number) === claim;
  }
  return owner.startsWith("endpoints/") && record !== undefined &&
    endpointClaim(record as EndpointRecord) === claim;
}

function misplaced(documents: Documents, key: string, one: EndpointRecord): Difference[] {
  const parent = keys.network(one.tenant, one.network);
  if (!documents.has(parent)) return [{ name: key, why: "its network does not exist" }];
  const network = readableAt<NetworkRecord>(documents, parent);
  if (!network) return [];
  const why = refusalOf(networkPool(network), parseAddress(one.address));
  return why === undefined ? [] : [{ name: key, why: `${one.address}: ${why}` }];
}

/** A dynamic endpoint is deleted with its attachment, unless its address is held. */
function unattached(
  attached: ReadonlySet<string>,
  key: string,
  { dynamic }: EndpointRecord,
): Difference[] {
  if (!dynamic || dynamic.heldSince !== undefined || attached.has(key)) return [];
  return [{ name: key, why: "its pod is gone, and it is not held" }];
}

/** Indexes that say that they are complete have to be. */
function wrongIndexes(documents: Documents): Difference[] {
  if (!areIndexesComplete(documents)) return [];
  return indexDifferences(documents).map((one) => ({ name: one.key, why: whyIndexIsWrong(one) }));
}

/** Returns why a document of an index has to be changed, for people. */
export function whyIndexIsWrong({ value, source }: IndexDifference): string {
  return value === undefined
    ? "index document without a record"
    : `index does not match the record ${source}`;
}

/** The list of the hosts' stacks has the subnet of each owner, and no other. */
function wrongOwners(documents: Documents): Difference[] {
  const listed = readableAt<OwnersRecord>(documents, keys.owners)?.networks ?? {};
  if (documents.has(keys.owners) && !readableAt(documents, keys.owners)) return [];
  const owners = new Map(
    below<NetworkRecord>(documents, "networks/").filter(([, { owner }]) => owner)
      .map(([, network]) => [network.subnet, idOf(network)]),
  );
  const unlisted = [...owners].filter(([subnet, id]) => listed[subnet] !== id)
    .map(([subnet, id]) => ({ name: keys.owners, why: `${subnet} of ${id} is not listed` }));
  const gone = Object.entries(listed).filter(([subnet, id]) =>
    owners.get(subnet) !== id && readableOrAbsent(documents, `networks/${id}`)
  ).map(([subnet, id]) => ({ name: keys.owners, why: `${id} does not own ${subnet}` }));
  return [...unlisted, ...gone];
}

function readableOrAbsent(documents: Documents, key: string): boolean {
  return !documents.has(key) || readableAt(documents, key) !== undefined;
}

function wrongSubnets(
  documents: Documents,
  key: string,
  { networks }: SubnetsRecord,
): Difference[] {
  const tenant = key.slice("subnets/".length);
  const there = below<NetworkRecord>(documents, `networks/${tenant}/`)
    .map(([, { name, subnet }]) => ({ name, subnet }));
  const listed = Object.entries(networks);
  const unlisted = there.filter(({ name, subnet }) => networks[subnet] !== name)
    .map(({ name, subnet }) => ({
      name: key,
      why: `${subnet} of ${tenant}/${name} is not listed`,
    }));
  const gone = listed.filter(([subnet, name]) =>
    !(documents.has(keys.network(tenant, name)) &&
      readableAt(documents, keys.network(tenant, name)) === undefined) &&
    !there.some((one) => one.name === name && one.subnet === subnet)
  ).map(([subnet, name]) => ({ name: key, why: `${subnet} of ${tenant}/${name} does not exist` }));
  const subnets = there.map(({ name, subnet }) => ({ name, subnet: parseSubnet(subnet) }));
  const overlapping = subnets.flatMap((one, at) =>
    subnets.slice(at + 1).filter((other) => overlap(one.subnet, other.subnet))
      .map((other) => ({ name: key, why: `${one.name} and ${other.name} overlap` }))
  );
  return [...unlisted, ...gone, ...overlapping];
}
