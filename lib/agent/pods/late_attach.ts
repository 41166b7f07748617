// Endpoints that come after their pods: what an intent names later is connected to the pod that is
// here already. Never takes an endpoint from another sandbox, here or elsewhere, unless it is pinned
// to this host: only a set-up that a runtime asks for does that.

import { chooseEndpoints } from "../../intent/bind.ts";
import { chooseNetwork, type Offer } from "../../intent/choice/choose.ts";
import { dynamicName } from "../../intent/dynamic.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import type { EndpointRecord, NetworkRecord } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import type { PodRequest } from "../api.ts";
import { offerOf, stayingChoices } from "./dynamic_endpoint.ts";
import { withContainerLabels } from "./pod_metadata.ts";
import { setupPod } from "./setup.ts";
import type { UnmatchedPod } from "./unmatched_pods.ts";
import { attachmentsOf, endpointKeyOf, endpointsOf } from "../store/documents.ts";
import { keys } from "../../intent/records.ts";
import type { World } from "../world.ts";

// Docker's short ids; an endpoint's AttachUUID has as many or more.
const ID_DIGITS = 12;

/** Connects the pods of this host to endpoints that are theirs and free; gives how many failed. */
export async function attachLatePods(world: World): Promise<number> {
  const named = latePods(world);
  const late = [...named, ...podsWithNetwork(world, named)];
  const done = await Promise.all(late.map((pod) => connect(world, pod)));
  return done.filter((isDone) => !isDone).length;
}

/** Returns the pods of this host that endpoints wait for. */
export function latePods(world: World): PodRequest[] {
  return podsHere(world).filter((pod) => hasFreeEndpoint(world, pod));
}

/** Returns the pods that are known here: listed, with attachments, and without an endpoint so far. */
function podsHere(
  { store, host, unmatched, containers, tornDown, now }: World,
): PodRequest[] {
  const attached = attachmentsOf(store.documents, host)
    .map(({ pod, sandbox }): PodRequest => ({ ...pod, sandbox }));
  const listed = namedAmong(
    store.documents,
    containers.pods(now()),
    (pod) => containers.isPlain(pod.sandbox),
  );
  const all = [...listed, ...attached, ...unmatched.list().map(({ pod }) => pod)];
  return [...new Map(all.map((pod) => [pod.sandbox, pod])).values()]
    .filter(({ sandbox }) => !tornDown.has(sandbox));
}

/**
 * Leaves out the `isMeant` that no endpoint names. One pass over the documents for all of them: a
 * host may run hundreds of containers that have nothing to do with us.
 */
function namedAmong(
  documents: World["store"]["documents"],
  pods: readonly PodRequest[],
  isMeant: (pod: PodRequest) => boolean,
): PodRequest[] {
  const words = new Set<string>();
  for (const { container, pin, attachUuid } of endpointsOf(documents)) {
    words.add(container);
    const uuid = pin?.attachUuid ?? attachUuid;
    if (uuid) words.add(uuid).add(uuid.slice(0, ID_DIGITS));
  }
  return pods.filter((pod) =>
    !isMeant(pod) || words.has(pod.name) || words.has(pod.sandbox.slice(0, ID_DIGITS))
  );
}

function hasFreeEndpoint(world: World, pod: PodRequest): boolean {
  const { store: { documents }, host } = world;
  // What was chosen for a running pod does not move under it.
  if (stayingChoices(documents, host, pod.sandbox).length > 0) return false;
  const attachments = attachmentsOf(documents, host);
  const holderOf = ({ tenant, network, container }: EndpointRecord) =>
    attachments.find((one) => endpointKeyOf(one) === keys.endpoint(tenant, network, container));
  const isMine = (endpoint: EndpointRecord) => holderOf(endpoint)?.sandbox === pod.sandbox;
  const isFree = (endpoint: EndpointRecord) =>
    !holderOf(endpoint) && (isOurs(endpoint, host) || isLeft(world, endpoint, pod));
  const endpoints = chosenFor(world, pod);
  return endpoints.some(isFree) && endpoints.every((one) => isFree(one) || isMine(one));
}

/** Reports whether an endpoint is nobody's, this host's, or the operator's wish for this host. */
function isOurs({ bound, pin, host: named }: EndpointRecord, host: string): boolean {
  return [undefined, host].includes(bound?.host) || (pin?.host ?? named) === host;
}

/** Containers that no kubelet made move without a set-up: what nobody has over there may be taken. */
function isLeft(
  { store, containers }: World,
  endpoint: EndpointRecord,
  pod: PodRequest,
): boolean {
  if (!containers.isPlain(pod.sandbox) || endpoint.bound === undefined) return false;
  const key = keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container);
  return !attachmentsOf(store.documents, endpoint.bound.host)
    .some((one) => endpointKeyOf(one) === key);
}

/**
 * Returns the pods without a place that a network is for by now, as far as is known without asking: the
 * set-up itself asks, so it is not tried again and again while nothing has changed.
 */
function podsWithNetwork(world: World, named: readonly PodRequest[]): PodRequest[] {
  const sandboxes = new Set(named.map(({ sandbox }) => sandbox));
  const offer = offerOf(world.store.documents);
  return world.unmatched.list().filter(({ pod }) => !sandboxes.has(pod.sandbox))
    .filter((one) => isWorthATry(world, offer, one)).map(({ pod }) => pod);
}

function isWorthATry(world: World, offer: Offer, { pod, labels }: UnmatchedPod): boolean {
  const { store: { documents }, podMetadata, backoff, now } = world;
  const atHand = podMetadata.atHand(pod);
  if (!atHand) return false;
  const known = withContainerLabels(atHand, labels);
  const network = networkOf(offer, known);
  if (!network || chosenFor(world, pod).length > 0) return false;
  const { tenant, name } = network;
  const key = keys.endpoint(tenant, name, dynamicName(pod));
  const endpoint = documents.get(key)?.value as EndpointRecord | undefined;
  if (endpoint && endpoint.dynamic?.heldSince === undefined) return false;
  // A pool that is full has room when one of its claims has gone.
  const claims = documentsIn(documents, groups.addressesAt(tenant, name)).length;
  return backoff.isDue(`late ${pod.sandbox}`, JSON.stringify([known, network, claims]), now());
}

function networkOf(offer: Offer, known: KnownPod): NetworkRecord | undefined {
  try {
    return chooseNetwork(offer, known).network;
  } catch {
    return undefined; // refused, which its own set-up was told
  }
}

function chosenFor(world: World, pod: PodRequest): EndpointRecord[] {
  const { store, host, containers, logDedup, log } = world;
  const { namespace, name, sandbox } = pod;
  try {
    const query = { host, namespace, pod: name, sandbox };
    return chooseEndpoints(store.documents, query).map(({ endpoint }) => endpoint);
  } catch (error) {
    // It belongs elsewhere, which a pod's own set-up was told; a container has none.
    const words = faultFrom(error).message;
    const isNews = containers.isPlain(sandbox) && logDedup.isNew(`late ${sandbox}`, words);
    if (isNews) log.warn(`container left alone: ${words}`);
    return [];
  }
}

async function connect(world: World, pod: PodRequest): Promise<boolean> {
  const key = `late ${pod.sandbox}`;
  const left = () => world.unmatched.list().find((one) => one.pod.sandbox === pod.sandbox);
  const before = left();
  try {
    await world.queue.run(pod.sandbox, async () => {
      // A teardown may have come before our turn.
      if (!world.tornDown.has(pod.sandbox)) await setupPod(world, pod, { isLate: true });
    });
    world.logDedup.forget(key);
    // Still without a place where the set-up has found nothing for it.
    if (!left()) world.backoff.forget(key);
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    const after = left();
    // Refused anew, which was said, as what it asks for is not what it asked for a moment ago.
    if (before && after && after !== before) return true;
    world.unmatched.remove(pod.sandbox);
    if (code === "not_found") return true;
    // No sandbox after all: it uses another container's network.
    if (code === "usage") {
      world.containers.dismiss(pod.sandbox);
      return true;
    }
    // It is tried again; what goes on failing in the same way is said once.
    if (before) world.unmatched.add(pod, message, before.labels);
    if (world.logDedup.isNew(key, message)) {
      world.log.error(`pod ${pod.namespace}/${pod.name} not connected: ${message}`);
    }
    return code === "exhausted" || code === "conflict";
  }
}
