// The endpoint of a pod that no endpoint names: asks once what is known of the pod, decides anew for each
// try of its commit, and meanwhile keeps this host's other set-ups off the address it has chosen.

import {
  addressRequestedBy,
  type KnownPod,
  type RequestedNetwork,
} from "../../intent/choice/requested_network.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import { dynamicEndpointName, type PodName } from "../../intent/dynamic.ts";
import { countIn, groups } from "../../intent/indexed_documents.ts";
import { type Documents, keys, type NetworkRecord } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import { parseAddress } from "../../ipam/subnets.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { endpointKeyOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { AddressFinder } from "../store/address_finder.ts";
import { countHosts, skipOf } from "../store/spread_hosts.ts";
import {
  type DynamicEndpoint,
  FoundAddressesTaken,
  networkFor,
  networkPool,
  planDynamicEndpoint,
} from "./dynamic_endpoint.ts";
import type { Claim } from "./claim.ts";
import { planRelease } from "./endpoint_release.ts";
import { type PodMetadata, withContainerLabels } from "./pod_metadata.ts";

/** What a dynamic endpoint is chosen with. */
export interface DynamicEndpointDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "need" | "knows">;
  readonly addressFinder: Pick<AddressFinder, "find">;
  readonly podMetadata: Pick<PodMetadata, "of">;
  /** Keys of the address claims that this host's set-ups are about to commit. */
  readonly addressesInFlight: Set<string>;
}

/** Returns what is known of a pod. Faults: unavailable, timeout. */
export async function metadataOf(
  podMetadata: Pick<PodMetadata, "of">,
  pod: PodName & { readonly uid?: string | undefined },
  labels: Sandbox["labels"],
): Promise<KnownPod> {
  return withContainerLabels(await podMetadata.of(pod), labels);
}

/**
 * Returns the claim for a pod's network, or why no network is for it. Faults: as chooseNetwork();
 * unavailable, timeout, where the pod's metadata cannot be had.
 */
export async function claimDynamicEndpoint(
  deps: DynamicEndpointDeps,
  { pod, sandbox, interface: name }: {
    readonly pod: PodName;
    readonly sandbox: Sandbox;
    readonly interface: string;
  },
): Promise<DynamicEndpointClaim | NoChoice> {
  const uid = sandbox.pod?.uid;
  const known = await metadataOf(deps.podMetadata, { ...pod, uid }, sandbox.labels);
  return await claimEndpointFor(deps, { pod: known, interface: name });
}

/** A pod that gets an endpoint, and what its runtime asks for. */
export interface EndpointRequest {
  readonly pod: KnownPod;
  /** Name of the pod's interface. */
  readonly interface: string;
  /** @default what its labels and annotations ask for */
  readonly network?: RequestedNetwork | undefined;
  /** @default what its annotation asks for */
  readonly address?: string | undefined;
  readonly mac?: string | undefined;
}

/**
 * As claimDynamicEndpoint(), for a pod whose metadata is known. Faults: as chooseNetwork(); usage; unavailable and
 * timeout, where the store is asked for a free address.
 */
export async function claimEndpointFor(
  deps: DynamicEndpointDeps,
  request: EndpointRequest,
): Promise<DynamicEndpointClaim | NoChoice> {
  const choice = networkFor(deps.store.documents, request.pod, request.network);
  if (!choice.network) return choice;
  const address = request.address ?? addressRequestedBy(request.pod);
  if (address !== undefined) checkAddress(address, request.pod);
  using held = new DisposableStack();
  const { fault } = held.use(await deps.store.need({ networks: [choice.network] }));
  const { tenant, name: network } = choice.network;
  if (fault && !deps.store.knows({ tenant, network })) throw fault;
  const found = await findFree(deps, choice.network, { ...request, address });
  return new DynamicEndpointClaim(deps, { ...request, address }, { held: held.move(), found });
}

// So many addresses are looked at in memory in a millisecond; the store answers as fast, however many there are.
const MANY = 4_000;

/** Free addresses that the store has found. */
interface Found {
  /** Key of their network. */
  readonly network: string;
  readonly addresses: readonly string[];
}

/** Returns free addresses for a pod, where the store finds them better than a search of its documents. */
async function findFree(
  { store, addressesInFlight, addressFinder }: DynamicEndpointDeps,
  network: NetworkRecord,
  { pod, address }: EndpointRequest,
): Promise<Found | undefined> {
  const { documents } = store;
  const { tenant, name } = network;
  const isKnown = documents.has(keys.endpoint(tenant, name, dynamicEndpointName(pod)));
  if (isKnown || address !== undefined) return undefined;
  if (countIn(documents, groups.addressesAt(tenant, name)) < MANY) return undefined;
  const isTaken = (one: string) => {
    const claim = keys.addressClaim(tenant, name, one);
    return documents.has(claim) || addressesInFlight.has(claim);
  };
  const pool = { tenant, network: name, pool: networkPool(network) };
  const addresses = await addressFinder.find(pool, isTaken);
  return { network: keys.network(tenant, name), addresses };
}

// Enough for a burst of set-ups in a pool that is nearly full.
const WANTED = 64;

/** Returns what finds free addresses for the set-ups of `host`. */
export function addressFinderOf({ host, store, now }: {
  readonly host: string;
  readonly store: Pick<StoreCache, "documents" | "findFreeAddresses">;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}): AddressFinder {
  return new AddressFinder((network, isTaken) => {
    const skip = skipOf(host, 0, countHosts(store.documents));
    return store.findFreeAddresses(network, { skip, wanted: WANTED, isTaken });
  }, now);
}

/** Faults: usage, if `text` is not an address. */
function checkAddress(text: string, { namespace, name }: KnownPod): void {
  try {
    parseAddress(text);
  } catch (error) {
    throw new Fault("usage", `pod ${namespace}/${name} asks for an address that is not valid`, {
      why: faultFrom(error).message,
      fix: "write an IPv4 address, such as 11.1.0.5",
    });
  }
}

/** The Fault (conflict) of a pod whose network is deleted between the choice and the commit of its claim. */
class NetworkLost extends Fault {
  constructor({ namespace, name }: PodName, why: string) {
    super("conflict", `pod ${namespace}/${name} has lost its network`, {
      why: `${why}, since a moment ago`,
      fix: 'see "k8contivnet why", and set the pod up again',
    });
  }
}

// Networks that are deleted and applied again by a loop must not keep a set-up for ever, nor other hosts that
// always are faster.
const CHOICES = 3;
const SEARCHES = 8;

/** Returns what `setUp` returns; repeats it where its network or all addresses found for it were lost. */
export async function choosingAgain<T>(setUp: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await setUp();
    } catch (error) {
      const isChoiceLost = error instanceof NetworkLost && tries < CHOICES;
      const areFoundLost = error instanceof FoundAddressesTaken && tries < SEARCHES;
      if (!isChoiceLost && !areFoundLost) throw error;
    }
  }
}

/** An endpoint about to be created for a pod. */
export class DynamicEndpointClaim implements Disposable {
  readonly #deps: DynamicEndpointDeps;
  readonly #request: EndpointRequest;
  readonly #found: Found | undefined;
  #claim: string | undefined;
  #tries = 0;
  #displaced: DynamicEndpoint["displaced"];
  readonly #held: Disposable;

  /**
   * `held` keeps the network known; `found` are the addresses that the store has found free, undefined where the
   * documents have all claims.
   */
  constructor(
    deps: DynamicEndpointDeps,
    request: EndpointRequest,
    { held, found }: { readonly held: Disposable; readonly found: Found | undefined },
  ) {
    this.#deps = deps;
    this.#request = request;
    this.#held = held;
    this.#found = found;
  }

  /** Returns what the commit needs on these documents. Faults: as chooseNetwork(); exhausted. */
  plan(documents: Documents): DynamicEndpoint {
    const { host, addressesInFlight, store } = this.#deps;
    this.#releaseAddress();
    const { pod, network, interface: link, address, mac } = this.#request;
    const choice = networkFor(documents, pod, network);
    if (!choice.network) {
      throw new NetworkLost(pod, choice.why);
    }
    const found = this.#found;
    const { tenant, name } = choice.network;
    const isOther = found && found.network !== keys.network(tenant, name);
    if (isOther || !store.knows({ tenant, network: name })) {
      throw new NetworkLost(pod, "another network is chosen for it");
    }
    const tries = this.#tries++;
    const endpoint = planDynamicEndpoint(documents, choice, {
      ...{ pod, interface: link, address, mac, free: found?.addresses },
      isTaking: (claim) => addressesInFlight.has(claim),
      // What was found has been skipped already.
      skip: found && tries === 0 ? 0 : skipOf(host, tries, countHosts(documents)),
    });
    this.#claim = endpoint.claim;
    this.#displaced = endpoint.displaced;
    if (endpoint.claim) addressesInFlight.add(endpoint.claim);
    return endpoint;
  }

  /** Endpoint whose held address this pod has taken, by the last plan. */
  get displaced(): DynamicEndpoint["displaced"] {
    return this.#displaced;
  }

  /** Releases the address that was about to be claimed, and the network. */
  [Symbol.dispose](): void {
    this.#releaseAddress();
    this.#held[Symbol.dispose]();
  }

  #releaseAddress(): void {
    if (this.#claim) this.#deps.addressesInFlight.delete(this.#claim);
    this.#claim = undefined;
  }
}

/** Adds to a claim what its pod's dynamic endpoint needs, and the release of those that it drops. */
export function withDynamicEndpoint(
  documents: Documents,
  claim: Claim,
  endpoint: DynamicEndpoint | undefined,
  nowMs: number,
): Claim {
  const kept = new Set(claim.attachments.map(endpointKeyOf));
  const dropped = claim.stale.filter((one) => !kept.has(endpointKeyOf(one)));
  const parts = [claim, ...endpoint ? [endpoint] : [], planRelease(documents, dropped, nowMs)];
  const checks = new Map(parts.flatMap((one) => one.checks.map((check) => [check.key, check])));
  const writes = new Map(parts.flatMap((one) => one.writes.map((write) => [write.key, write])));
  return { ...claim, checks: [...checks.values()], writes: [...writes.values()] };
}
