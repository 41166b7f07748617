// Endpoints that come after their pods: what an intent names later is connected to the pod that is
// here already. Never takes an endpoint from another sandbox, here or elsewhere: only a set-up that a
// runtime asks for does that.

import { chooseEndpoints } from "../../intent/bind.ts";
import { chooseNetwork, type Offer } from "../../intent/choice/choose.ts";
import { dynamicName } from "../../intent/dynamic.ts";
import type { EndpointRecord } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import type { PodRequest } from "../api.ts";
import { offerOf, stayingChoices } from "../pods/arrival.ts";
import { knownOf } from "../pods/arriving.ts";
import { setupPod } from "../pods/setup.ts";
import type { UnmatchedPod } from "../pods/unmatched.ts";
import { attachmentsOf, endpointKeyOf } from "../record/documents.ts";
import { keys } from "../../intent/records.ts";
import type { World } from "../world.ts";

/** Connects the pods of this host to endpoints that are theirs and free; gives how many failed. */
export async function connectLatecomers(world: World): Promise<number> {
  const named = podsHere(world).filter((pod) => hasFreeEndpoint(world, pod));
  const late = [...named, ...await podsWithNetwork(world, named)];
  const done = await Promise.all(late.map((pod) => connect(world, pod)));
  return done.filter((isDone) => !isDone).length;
}

/** Gives the pods that are known here: with attachments, and without an endpoint so far. */
function podsHere({ mirror, host, unmatched }: World): PodRequest[] {
  const attached = attachmentsOf(mirror.documents, host)
    .map(({ pod, sandbox }): PodRequest => ({ ...pod, sandbox }));
  const all = [...attached, ...unmatched.list().map(({ pod }) => pod)];
  return [...new Map(all.map((pod) => [pod.sandbox, pod])).values()];
}

function hasFreeEndpoint(world: World, pod: PodRequest): boolean {
  const { mirror: { documents }, host } = world;
  // What was chosen for a running pod does not move under it.
  if (stayingChoices(documents, host, pod.sandbox).length > 0) return false;
  const attachments = attachmentsOf(documents, host);
  const holderOf = ({ tenant, network, container }: EndpointRecord) =>
    attachments.find((one) => endpointKeyOf(one) === keys.endpoint(tenant, network, container));
  const isMine = (endpoint: EndpointRecord) => holderOf(endpoint)?.sandbox === pod.sandbox;
  const isFree = (endpoint: EndpointRecord) =>
    !holderOf(endpoint) && [undefined, host].includes(endpoint.bound?.host);
  const endpoints = chosenFor(world, pod);
  return endpoints.some(isFree) && endpoints.every((one) => isFree(one) || isMine(one));
}

/** Gives the pods without a place that a network is for by now. */
async function podsWithNetwork(
  world: World,
  named: readonly PodRequest[],
): Promise<PodRequest[]> {
  const sandboxes = new Set(named.map(({ sandbox }) => sandbox));
  const found: PodRequest[] = [];
  const offer = offerOf(world.mirror.documents);
  for (const { pod, labels } of world.unmatched.list()) {
    if (sandboxes.has(pod.sandbox)) continue;
    if (await hasNetwork(world, offer, { pod, labels })) found.push(pod);
  }
  return found;
}

async function hasNetwork(
  world: World,
  offer: Offer,
  { pod, labels }: Pick<UnmatchedPod, "pod" | "labels">,
): Promise<boolean> {
  const { documents } = world.mirror;
  try {
    const { network } = chooseNetwork(offer, await knownOf(world, pod, labels));
    if (!network || chosenFor(world, pod).length > 0) return false;
    const key = keys.endpoint(network.tenant, network.name, dynamicName(pod));
    const endpoint = documents.get(key)?.value as EndpointRecord | undefined;
    return endpoint === undefined || endpoint.dynamic?.heldSince !== undefined;
  } catch {
    return false; // refused, which its own set-up was told
  }
}

function chosenFor({ mirror, host }: World, pod: PodRequest): EndpointRecord[] {
  const { namespace, name, sandbox } = pod;
  try {
    const query = { host, namespace, pod: name, sandbox };
    return chooseEndpoints(mirror.documents, query).map(({ endpoint }) => endpoint);
  } catch {
    return []; // it belongs elsewhere, which its own set-up was told
  }
}

async function connect(world: World, pod: PodRequest): Promise<boolean> {
  const before = world.unmatched.list().find((one) => one.pod.sandbox === pod.sandbox);
  try {
    await world.queue.run(pod.sandbox, () => setupPod(world, pod, { isLate: true }));
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    world.unmatched.remove(pod.sandbox);
    if (code === "not_found") return true;
    // It is tried again; what goes on failing in the same way is said once.
    if (before) world.unmatched.add(pod, message, before.labels);
    if (before?.reason !== message) {
      world.log.error(`pod ${pod.namespace}/${pod.name} not connected: ${message}`);
    }
    return code === "exhausted" || code === "conflict";
  }
}
