// The endpoint of a pod that no endpoint names: asks once what is known of the pod, decides anew for each
// try of its commit, and meanwhile keeps this host's other set-ups off the address it has chosen.

import {
  addressRequestedBy,
  type KnownPod,
  type RequestedNetwork,
} from "../../intent/choice/requested_network.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { Documents } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import { parseAddress } from "../../ipam/subnets.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { endpointKeyOf, type HostView } from "../store/documents.ts";
import { type DynamicEndpoint, networkFor, planDynamicEndpoint } from "./dynamic_endpoint.ts";
import type { Claim } from "./claim.ts";
import { planRelease } from "./endpoint_release.ts";
import { type PodMetadata, withContainerLabels } from "./pod_metadata.ts";

/** What a dynamic endpoint is chosen with. */
export interface DynamicEndpointDeps extends HostView {
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
  return claimEndpointFor(deps, { pod: known, interface: name });
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

/** As claimDynamicEndpoint(), for a pod whose metadata is known. Faults: as chooseNetwork(); usage. */
export function claimEndpointFor(
  deps: DynamicEndpointDeps,
  request: EndpointRequest,
): DynamicEndpointClaim | NoChoice {
  const choice = networkFor(deps.store.documents, request.pod, request.network);
  if (!choice.network) return choice;
  const address = request.address ?? addressRequestedBy(request.pod);
  if (address !== undefined) checkAddress(address, request.pod);
  return new DynamicEndpointClaim(deps, { ...request, address });
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

// Networks that are deleted and applied again by a loop must not keep a set-up for ever.
const CHOICES = 3;

/** Returns what `setUp` returns; repeats it where its network was lost: there is another one, or none. */
export async function choosingAgain<T>(setUp: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await setUp();
    } catch (error) {
      if (!(error instanceof NetworkLost) || tries === CHOICES) throw error;
    }
  }
}

/** An endpoint about to be created for a pod. */
export class DynamicEndpointClaim implements Disposable {
  readonly #deps: DynamicEndpointDeps;
  readonly #request: EndpointRequest;
  #claim: string | undefined;
  #tries = 0;
  #displaced: DynamicEndpoint["displaced"];

  constructor(deps: DynamicEndpointDeps, request: EndpointRequest) {
    this.#deps = deps;
    this.#request = request;
  }

  /** Returns what the commit needs on these documents. Faults: as chooseNetwork(); exhausted. */
  plan(documents: Documents): DynamicEndpoint {
    const { host, addressesInFlight } = this.#deps;
    this[Symbol.dispose]();
    const { pod, network, interface: link, address, mac } = this.#request;
    const choice = networkFor(documents, pod, network);
    if (!choice.network) {
      throw new NetworkLost(pod, choice.why);
    }
    const endpoint = planDynamicEndpoint(documents, choice, {
      ...{ host, pod, interface: link, address, mac },
      isTaking: (claim) => addressesInFlight.has(claim),
      tries: this.#tries++,
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

  /** Releases the address that was about to be claimed. */
  [Symbol.dispose](): void {
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
