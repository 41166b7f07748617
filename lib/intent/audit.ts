// Whether records and claims say the same, and how full the pools are. Pure.
//
// A claim is a key that names the record that took it; a record holds what it claims. After any crash
// the two agree, since they change in one commit: a difference is a bug, or somebody's hand.

import { type AddressPool, poolHas, poolSize, refusalOf } from "../ipam/addresses.ts";
import { overlap, parseAddress, parseSubnet } from "../ipam/subnets.ts";
import { heldUntil } from "./dynamic.ts";
import {
  type AttachmentRecord,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  type SubnetsRecord,
} from "./records.ts";
import { endpointClaim, networkClaims } from "./plan/claims.ts";
import { documentsIn, groups } from "./indexed_documents.ts";
import { readableAt, whyUnreadable } from "./readable.ts";
import { endpointKeyOf } from "./plan/stored.ts";
import { poolOf } from "./field_rules.ts";

/** Two records that do not say the same. */
export interface Difference {
  /** Key of the record that is looked at. */
  readonly name: string;
  /** What is wrong with it. */
  readonly why: string;
}

/** Returns what this version cannot read, by key: of a newer version, or a stranger's. */
export function unreadableRecords(documents: Documents): Difference[] {
  return documentsIn(documents, groups.unreadable)
    .map(([name, value]) => ({ name, why: whyUnreadable(name, value) ?? "" }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** How full one network's pool is. */
export interface PoolUse {
  readonly tenant: string;
  readonly network: string;
  readonly subnet: string;
  /** Addresses that may be chosen. */
  readonly size: number;
  readonly used: number;
  readonly free: number;
  /** Of the used ones, those that wait for a pod that is gone, by the end of their time. */
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

/**
 * Returns every difference between records and claims, and what cannot be read, by key; none where all
 * is well.
 */
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
          ? `${claim.owner} holds another`
          : `its owner ${claim.owner} is not there`,
      }]
    ),
    ...below<SubnetsRecord>(documents, "subnets/").flatMap(([key, record]) =>
      wrongSubnets(documents, key, record)
    ),
  ];
  return found.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

/** Returns how full each network's pool is, by tenant and network. */
export function poolsInUse(documents: Documents): PoolUse[] {
  const addresses = Map.groupBy(
    below<EndpointRecord>(documents, "endpoints/").map(([, one]) => one),
    ({ tenant, network }) => keys.network(tenant, network),
  );
  return below<NetworkRecord>(documents, "networks/").map(([key, network]) => {
    const pool = networkPool(network);
    const endpoints = addresses.get(key) ?? [];
    const used = endpoints.filter(({ address }) => poolHas(pool, parseAddress(address))).length;
    const size = poolSize(pool);
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
    .map((claim) => ({ name: key, why: `${claim} is not there` }))
    .concat(
      claims.filter((claim) => {
        const owner = readableAt<ClaimRecord>(documents, claim)?.owner;
        return owner !== undefined && owner !== key;
      }).map((claim) => ({ name: key, why: `${claim} is another's` })),
    );
}

/** Reports whether the owner of a claim says that it holds it. */
export function isHeld(documents: Documents, claim: string, { owner }: ClaimRecord): boolean {
  const record = documents.get(owner)?.value;
  // Whether a record that cannot be read holds it, its own version knows.
  if (record !== undefined && whyUnreadable(owner, record) !== undefined) return true;
  if (owner.startsWith("networks/") && record) {
    return networkClaims(record as NetworkRecord).includes(claim);
  }
  return owner.startsWith("endpoints/") && record !== undefined &&
    endpointClaim(record as EndpointRecord) === claim;
}

function misplaced(documents: Documents, key: string, one: EndpointRecord): Difference[] {
  const parent = keys.network(one.tenant, one.network);
  if (!documents.has(parent)) return [{ name: key, why: "its network is not there" }];
  const network = readableAt<NetworkRecord>(documents, parent);
  if (!network) return [];
  const why = refusalOf(networkPool(network), parseAddress(one.address));
  return why === undefined ? [] : [{ name: key, why: `${one.address}: ${why}` }];
}

/** What a set-up made for a pod goes with its attachment, unless it is held. */
function unattached(
  attached: ReadonlySet<string>,
  key: string,
  { dynamic }: EndpointRecord,
): Difference[] {
  if (!dynamic || dynamic.heldSince !== undefined || attached.has(key)) return [];
  return [{ name: key, why: "its pod is gone, and it is not held" }];
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
  ).map(([subnet, name]) => ({ name: key, why: `${subnet} of ${tenant}/${name} is not there` }));
  const subnets = there.map(({ name, subnet }) => ({ name, subnet: parseSubnet(subnet) }));
  const overlapping = subnets.flatMap((one, at) =>
    subnets.slice(at + 1).filter((other) => overlap(one.subnet, other.subnet))
      .map((other) => ({ name: key, why: `${one.name} and ${other.name} overlap` }))
  );
  return [...unlisted, ...gone, ...overlapping];
}
