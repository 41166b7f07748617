// A pod on its way into the network that is chosen for it: asks once what is known of it, decides anew
// for each try of its commit, and keeps this host's other set-ups off its address meanwhile.

import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { Documents } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import { Fault } from "../../util/errors.ts";
import type { World } from "../world.ts";
import { endpointKeyOf } from "../store/documents.ts";
import { type DynamicEndpoint, networkFor, planDynamicEndpoint } from "./dynamic_endpoint.ts";
import type { Claim } from "./claim.ts";
import { planRelease } from "./endpoint_release.ts";
import { withContainerLabels } from "./pod_metadata.ts";

/** Tells what is known of a pod. Faults: unavailable, timeout. */
export async function metadataOf(
  { podMetadata }: World,
  pod: PodName & { readonly uid?: string | undefined },
  labels: Sandbox["labels"],
): Promise<KnownPod> {
  return withContainerLabels(await podMetadata.of(pod), labels);
}

/**
 * Returns the pod on its way, or why no network is for it. Faults: as chooseNetwork(); unavailable,
 * timeout, where it cannot be told what is known of the pod.
 */
export async function claimDynamicEndpoint(
  world: World,
  { pod, sandbox, interface: name }: {
    readonly pod: PodName;
    readonly sandbox: Sandbox;
    readonly interface: string;
  },
): Promise<DynamicEndpointClaim | NoChoice> {
  const known = await metadataOf(world, { ...pod, uid: sandbox.pod?.uid }, sandbox.labels);
  const choice = networkFor(world.store.documents, known);
  return choice.network ? new DynamicEndpointClaim(world, known, name) : choice;
}

/** A pod that has a network to go to. */
export class DynamicEndpointClaim implements Disposable {
  readonly #world: World;
  readonly #pod: KnownPod;
  readonly #interface: string;
  #claim: string | undefined;
  #tries = 0;
  #displaced: DynamicEndpoint["displaced"];

  constructor(world: World, pod: KnownPod, name: string) {
    this.#world = world;
    this.#pod = pod;
    this.#interface = name;
  }

  /** Returns what the commit needs on these documents. Faults: as chooseNetwork(); exhausted. */
  plan(documents: Documents): DynamicEndpoint {
    const { host, addressesInFlight } = this.#world;
    this[Symbol.dispose]();
    const choice = networkFor(documents, this.#pod);
    if (!choice.network) {
      const { namespace, name } = this.#pod;
      throw new Fault("conflict", `pod ${namespace}/${name} has lost its network`, {
        why: `${choice.why}, since a moment ago`,
        fix: 'see "k8contivnet why", and set the pod up again',
      });
    }
    const arrival = planDynamicEndpoint(documents, choice, {
      host,
      pod: this.#pod,
      interface: this.#interface,
      isTaking: (claim) => addressesInFlight.has(claim),
      tries: this.#tries++,
    });
    this.#claim = arrival.claim;
    this.#displaced = arrival.displaced;
    if (arrival.claim) addressesInFlight.add(arrival.claim);
    return arrival;
  }

  /** Endpoint whose held address this pod has taken, by the last plan. */
  get displaced(): DynamicEndpoint["displaced"] {
    return this.#displaced;
  }

  /** Lets go of the address that was about to be taken. */
  [Symbol.dispose](): void {
    if (this.#claim) this.#world.addressesInFlight.delete(this.#claim);
    this.#claim = undefined;
  }
}

/** Adds to a claim what its pod's endpoint takes, and what those leave that it drops. */
export function withDynamicEndpoint(
  documents: Documents,
  claim: Claim,
  arrival: DynamicEndpoint | undefined,
  nowMs: number,
): Claim {
  const kept = new Set(claim.attachments.map(endpointKeyOf));
  const dropped = claim.stale.filter((one) => !kept.has(endpointKeyOf(one)));
  const departure = planRelease(documents, dropped, nowMs);
  const parts = [claim, ...(arrival ? [arrival] : []), departure];
  const checks = new Map(parts.flatMap((one) => one.checks.map((check) => [check.key, check])));
  const writes = new Map(parts.flatMap((one) => one.writes.map((write) => [write.key, write])));
  return { ...claim, checks: [...checks.values()], writes: [...writes.values()] };
}
