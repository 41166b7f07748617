// Plans the endpoint of a pod that no endpoint names, in the network chosen for it and in the same commit as
// its attachment. Pure. It gets the address that it had, if that is held for it, otherwise the lowest free
// one.
//
// When the pool is full, the address held longest is reused: holding an address is a courtesy to a pod that
// may never come back, while the new pod would have no network at all.

import { freeAddresses, poolIsFull, refusalOf } from "../../ipam/addresses.ts";
import { addressToText, parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import type { Choice } from "../../intent/bind.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import {
  type AvailableNetworks,
  chooseNetwork,
  type NetworkChoice,
  type NoChoice,
} from "../../intent/choice/choose.ts";
import { dynamicEndpointName } from "../../intent/dynamic.ts";
import {
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { poolOf } from "../../intent/field_rules.ts";
import type { Check, Write } from "../../store/store.ts";
import {
  attachmentsIn,
  endpointsAt,
  findEndpoint,
  findNetwork,
  networksOf,
  tenantsOf,
} from "../store/documents.ts";

/** The new pod, and the circumstances that planDynamicEndpoint() needs. */
export interface NewPod {
  readonly host: string;
  readonly pod: KnownPod;
  /** Name of the pod's interface. */
  readonly interface: string;
  /** Reports whether another set-up of this host is taking the address claim of this key. */
  readonly isTaking: (claim: string) => boolean;
  /** How many commits conflicted with other hosts: the next try skips more addresses. */
  readonly tries: number;
}

/** What the endpoint adds to the commit of its attachment. */
export interface DynamicEndpoint {
  readonly choice: Choice;
  readonly rule: string;
  /** Key of the claim of its address, if it is newly taken. */
  readonly claim?: string;
  readonly checks: readonly Check[];
  readonly writes: readonly Write[];
  /** Endpoint held longest, whose address this one gets. */
  readonly displaced?: EndpointRecord;
}

/** Returns the tenants and networks to choose from. */
export function offerOf(documents: Documents): AvailableNetworks {
  return { tenants: tenantsOf(documents), networks: networksOf(documents) };
}

/** Returns the network of a pod that no endpoint names. Faults: as chooseNetwork(). */
export function networkFor(documents: Documents, pod: KnownPod): NetworkChoice | NoChoice {
  return chooseNetwork(offerOf(documents), pod);
}

/** Returns what creates the pod's endpoint in `network`. Faults: exhausted, if the pool has no address left. */
export function planDynamicEndpoint(
  documents: Documents,
  { network, group, rule }: NetworkChoice,
  newPod: NewPod,
): DynamicEndpoint {
  const { pod } = newPod;
  const { tenant, name } = network;
  const key = keys.endpoint(tenant, name, dynamicEndpointName(pod));
  const tenantKey = keys.tenant(tenant);
  const checks = [{ key: tenantKey, revision: revisionOf(documents, tenantKey) }];
  const dynamic = { pod: pod.name, rule };
  const known = documents.get(key)?.value as EndpointRecord | undefined;
  if (known) {
    const { dynamic: _, group: _group, ...rest } = known;
    const endpoint = { ...rest, ...(group ? { group } : {}), dynamic };
    return { choice: { endpoint, interface: newPod.interface }, rule, checks, writes: [] };
  }
  const taken = takeAddress(documents, network, newPod);
  const claim = keys.addressClaim(tenant, name, taken.address);
  const endpoint: EndpointRecord = {
    ...{ schema: SCHEMA, tenant, network: name, container: dynamicEndpointName(pod) },
    ...{ namespace: pod.namespace, address: taken.address, addressBy: "pool" },
    ...(group ? { group } : {}),
    dynamic,
  };
  const displacedKey = taken.displaced && endpointKeyOf(taken.displaced);
  return {
    choice: { endpoint, interface: newPod.interface },
    rule,
    claim,
    ...(taken.displaced ? { displaced: taken.displaced } : {}),
    checks: [
      ...checks,
      { key: claim, revision: revisionOf(documents, claim) },
      ...(displacedKey
        ? [{ key: displacedKey, revision: revisionOf(documents, displacedKey) }]
        : []),
    ],
    writes: [
      { key: claim, value: { schema: SCHEMA, owner: key } },
      { key: keys.arrival(tenant, name), value: { schema: SCHEMA, endpoint: nameOf(key) } },
      ...(displacedKey ? [{ key: displacedKey, value: undefined }] : []),
    ],
  };
}

function revisionOf(documents: Documents, key: string): number {
  return documents.get(key)?.revision ?? 0;
}

function takeAddress(
  documents: Documents,
  network: NetworkRecord,
  { host, isTaking, tries }: NewPod,
): { readonly address: string; readonly displaced?: EndpointRecord } {
  const { tenant, name, subnet } = network;
  const pool = poolOf((key) => key, `${tenant}/${name}`, network, parseSubnet(subnet));
  const isUsed = (address: number) => {
    const claim = keys.addressClaim(tenant, name, addressToText(address));
    return documents.has(claim) || isTaking(claim);
  };
  const address = pick(freeAddresses(pool, isUsed), skipOf(host, tries));
  if (address !== undefined) return { address: addressToText(address) };
  const held = endpointsAt(documents, network)
    .filter((one) => one.dynamic?.heldSince !== undefined)
    .filter((one) => refusalOf(pool, parseAddress(one.address)) === undefined)
    .filter((one) => !isTaking(keys.addressClaim(tenant, name, one.address)))
    .sort((a, b) => (a.dynamic?.heldSince ?? 0) - (b.dynamic?.heldSince ?? 0));
  const displaced = pick(held, skipOf(host, tries));
  if (displaced) return { address: displaced.address, displaced };
  throw poolIsFull(pool);
}

/** Returns element `skip` of `list`, modulo its length. */
function pick<T>(list: Iterable<T>, skip: number): T | undefined {
  const passed: T[] = [];
  for (const one of list) {
    if (passed.push(one) > skip) break;
  }
  return passed[skip % passed.length];
}

/**
 * Returns how many free addresses a host skips: none at first. After a conflict with another host it skips
 * more, each host another number and each time from a wider range, so that they do not race for one key.
 */
export function skipOf(host: string, tries: number): number {
  if (tries === 0) return 0;
  let hash = 2_166_136_261; // FNV-1a, 32 bits
  for (const byte of new TextEncoder().encode(`${host} ${tries}`)) {
    hash = Math.imul(hash ^ byte, 16_777_619) >>> 0;
  }
  return hash % (8 << Math.min(tries, 8));
}

function endpointKeyOf({ tenant, network, container }: EndpointRecord): string {
  return keys.endpoint(tenant, network, container);
}

/** Returns the dynamic endpoints that a sandbox has already: a running pod keeps its network. */
export function currentChoices(documents: Documents, host: string, sandbox: string): Choice[] {
  return attachmentsIn(documents, host, sandbox).flatMap((one) => {
    const endpoint = findEndpoint(documents, one);
    if (!endpoint?.dynamic || !findNetwork(documents, one)) return [];
    const isCurrent = endpoint.bound?.host === host && endpoint.bound.generation === one.generation;
    return isCurrent ? [{ endpoint, interface: one.interface }] : [];
  });
}
