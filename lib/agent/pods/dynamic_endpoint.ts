// Plans the endpoint of a pod that no endpoint names, in the network chosen for it and in the same commit as
// its attachment. Pure. It gets the address that it had, if that is held for it, otherwise the lowest free
// one.
//
// When the pool is full, the address held longest is reused: holding an address is a courtesy to a pod that
// may never come back, while the new pod would have no network at all.

import { type AddressPool, freeAddresses, poolIsFull, refusalOf } from "../../ipam/addresses.ts";
import { addressToText, parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import type { Choice } from "../../intent/bind.ts";
import type { KnownPod, RequestedNetwork } from "../../intent/choice/requested_network.ts";
import {
  type AvailableNetworks,
  chooseNetwork,
  type NetworkChoice,
  type NoChoice,
} from "../../intent/choice/choose.ts";
import { dynamicEndpointName } from "../../intent/dynamic.ts";
import {
  checkOf,
  type ClaimRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type NetworkRecord,
  SCHEMA,
} from "../../intent/records.ts";
import { nameOf } from "../../intent/plan/stored.ts";
import { poolOf } from "../../intent/field_rules.ts";
import type { Check, Write } from "../../store/store.ts";
import { Fault } from "../../util/errors.ts";
import {
  attachmentsIn,
  endpointsAt,
  findEndpoint,
  findNetwork,
  networksOf,
  tenantsOf,
} from "../store/documents.ts";
import { pick } from "../store/spread_hosts.ts";

/** The new pod, and the circumstances that planDynamicEndpoint() needs. */
export interface NewPod {
  readonly pod: KnownPod;
  /** Name of the pod's interface. */
  readonly interface: string;
  /** Reports whether another set-up of this host is taking the address claim of this key. */
  readonly isTaking: (claim: string) => boolean;
  /** How many free addresses are skipped: skipOf(). */
  readonly skip: number;
  /** Free addresses, where the store was asked for them. @default those without a claim in the documents */
  readonly free?: readonly string[] | undefined;
  /** Address that the pod asks for. @default the one that is held for it, else the lowest free one */
  readonly address?: string | undefined;
  /** MAC that the runtime asks for. */
  readonly mac?: string | undefined;
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
export function networkFor(
  documents: Documents,
  pod: KnownPod,
  requested?: RequestedNetwork,
): NetworkChoice | NoChoice {
  return chooseNetwork(offerOf(documents), pod, requested);
}

/**
 * Returns what creates the pod's endpoint in `network`. Faults: exhausted, if the pool has no address left;
 * usage and conflict, if it cannot have the address that it asks for.
 */
export function planDynamicEndpoint(
  documents: Documents,
  { network, group, rule }: NetworkChoice,
  newPod: NewPod,
): DynamicEndpoint {
  const { pod, interface: name, mac } = newPod;
  const { tenant } = network;
  const key = keys.endpoint(tenant, network.name, dynamicEndpointName(pod));
  const checks = [checkOf(documents, keys.tenant(tenant))];
  const dynamic = { pod: pod.name, rule };
  const known = documents.get(key)?.value as EndpointRecord | undefined;
  const isKept = newPod.address === undefined || newPod.address === known?.address;
  if (known && isKept) {
    const endpoint = keptEndpoint(known, group, dynamic);
    return { choice: { endpoint, interface: name, mac }, rule, checks, writes: [] };
  }
  const taken = takeAddress(documents, network, newPod);
  const claim = keys.addressClaim(tenant, network.name, taken.address);
  const endpoint: EndpointRecord = {
    ...{ schema: SCHEMA, tenant, network: network.name, container: dynamicEndpointName(pod) },
    ...{ namespace: pod.namespace, address: taken.address, addressBy: "pool" },
    ...(group ? { group } : {}),
    ...(known?.bound ? { bound: known.bound } : {}),
    dynamic,
  };
  const former = known && keys.addressClaim(tenant, network.name, known.address);
  const displacedKey = taken.displaced && endpointKeyOf(taken.displaced);
  return {
    choice: { endpoint, interface: name, mac },
    rule,
    claim,
    ...(taken.displaced ? { displaced: taken.displaced } : {}),
    checks: [
      ...checks,
      checkOf(documents, claim),
      ...(displacedKey ? [checkOf(documents, displacedKey)] : []),
    ],
    writes: [
      { key: claim, value: { schema: SCHEMA, owner: key } },
      {
        key: keys.arrival(tenant, network.name),
        value: { schema: SCHEMA, endpoint: nameOf(key) },
      },
      ...(former ? [{ key: former, value: undefined }] : []),
      ...(displacedKey ? [{ key: displacedKey, value: undefined }] : []),
    ],
  };
}

/** Returns the endpoint of a pod that keeps its address: without the hold, by the rule that holds now. */
function keptEndpoint(
  known: EndpointRecord,
  group: string | undefined,
  dynamic: NonNullable<EndpointRecord["dynamic"]>,
): EndpointRecord {
  const { dynamic: _, group: _group, ...rest } = known;
  return { ...rest, ...(group ? { group } : {}), dynamic };
}

function takeAddress(
  documents: Documents,
  network: NetworkRecord,
  newPod: NewPod,
): { readonly address: string; readonly displaced?: EndpointRecord } {
  const { isTaking, skip } = newPod;
  const { tenant, name } = network;
  const pool = networkPool(network);
  if (newPod.address !== undefined) {
    return takeRequested(documents, { pool, network, address: newPod.address, newPod });
  }
  const isUsed = (address: string) => {
    const claim = keys.addressClaim(tenant, name, address);
    return documents.has(claim) || isTaking(claim);
  };
  const address = newPod.free
    ? pickFound(newPod.free, isUsed, skip)
    : pick(freeAddresses(pool, (one) => isUsed(addressToText(one))).map(addressToText), skip);
  if (address !== undefined) return { address };
  const held = endpointsAt(documents, network)
    .filter((one) => one.dynamic?.heldSince !== undefined)
    .filter((one) => refusalOf(pool, parseAddress(one.address)) === undefined)
    .filter((one) => !isTaking(keys.addressClaim(tenant, name, one.address)))
    .sort((a, b) => (a.dynamic?.heldSince ?? 0) - (b.dynamic?.heldSince ?? 0));
  const displaced = pick(held, skip);
  if (displaced) return { address: displaced.address, displaced };
  throw poolIsFull(pool);
}

/**
 * Returns the address that the pod asks for; of a pod that is gone, its held one is taken. Faults: usage, if
 * the network cannot give it to any pod; conflict, if another one has it.
 */
function takeRequested(
  documents: Documents,
  { pool, network: { tenant, name }, address, newPod: { pod, isTaking } }: {
    readonly pool: AddressPool;
    readonly network: NetworkRecord;
    readonly address: string;
    readonly newPod: NewPod;
  },
): { readonly address: string; readonly displaced?: EndpointRecord } {
  const what = `pod ${pod.namespace}/${pod.name} cannot have address ${address}`;
  const refusal = refusalOf(pool, parseAddress(address));
  if (refusal !== undefined) {
    const fix = `ask for one of ${pool.name}`;
    throw new Fault("usage", what, { why: `in network ${pool.name} ${refusal}`, fix });
  }
  const claim = keys.addressClaim(tenant, name, address);
  const holder = (documents.get(claim)?.value as ClaimRecord | undefined)?.owner;
  if (holder === undefined && !isTaking(claim)) return { address };
  const endpoint = holder === undefined
    ? undefined
    : documents.get(holder)?.value as EndpointRecord | undefined;
  if (endpoint?.dynamic?.heldSince !== undefined) return { address, displaced: endpoint };
  throw new Fault("conflict", what, {
    why: holder === undefined ? "another pod is getting it" : `${nameOf(holder)} has it`,
    fix: "ask for another one, or for none",
  });
}

/** Returns the address pool of a network. */
export function networkPool(network: NetworkRecord): AddressPool {
  const { tenant, name, subnet } = network;
  return poolOf((key) => key, `${tenant}/${name}`, network, parseSubnet(subnet));
}

/** The Fault (conflict) where all addresses that were found free are taken by now. */
export class FoundAddressesTaken extends Fault {
  constructor(count: number) {
    super("conflict", "other hosts took all free addresses that were found", {
      why: `all ${count} were free a moment ago`,
      fix: "set the pod up again",
    });
  }
}

/** Returns one of the addresses that were found and are still free; undefined if none was found. */
function pickFound(
  found: readonly string[],
  isUsed: (address: string) => boolean,
  skip: number,
): string | undefined {
  const free = found.filter((one) => !isUsed(one));
  if (free.length === 0 && found.length > 0) throw new FoundAddressesTaken(found.length);
  return pick(free, skip);
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
