// Endpoints that are written after their pods started: such an endpoint is attached to the pod that runs
// here already. Never takes an endpoint from another sandbox, here or elsewhere, unless it is pinned
// to this host: only a set-up that a runtime asks for does that.

import { chooseEndpoints } from "../../intent/bind.ts";
import { type AvailableNetworks, chooseNetwork } from "../../intent/choice/choose.ts";
import { dynamicEndpointName } from "../../intent/dynamic.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import { countIn, groups, shortId } from "../../intent/indexed_documents.ts";
import type {
  AttachmentRecord,
  Documents,
  EndpointRecord,
  NetworkRecord,
} from "../../intent/records.ts";
import { indexKeys } from "../../intent/store_index.ts";
import type { Backoff } from "../../util/async/backoff.ts";
import type { Clock } from "../../util/clock.ts";
import { faultFrom, isUnreachable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import type { PodRequest } from "../api/pod_requests.ts";
import { currentChoices, offerOf } from "./dynamic_endpoint.ts";
import { type PodMetadata, withContainerLabels } from "./pod_metadata.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SetupResult } from "./setup.ts";
import type { UnmatchedPod } from "./unmatched_pods.ts";
import { attachmentsIn, attachmentsOf, endpointKeyOf, type HostView } from "../store/documents.ts";
import { keys } from "../../intent/records.ts";
import type { StoreCache } from "../store/store_cache.ts";

/** What finding late pods works with. */
export interface LatePodsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "knows">;
  readonly sandboxes: Pick<Sandboxes, "unmatched" | "tornDown" | "containers">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "warn">;
  readonly logDedup: LogDedup;
}

/** What attaching late pods works with. */
export interface LateAttachDeps extends LatePodsDeps {
  readonly store: Pick<StoreCache, "documents" | "knows" | "isWhole" | "keep" | "read">;
  readonly sandboxes: Sandboxes;
  readonly podMetadata: Pick<PodMetadata, "atHand">;
  readonly backoff: Backoff;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** Attaches a pod that no runtime asked for: setupPod() with `isLate`. */
  readonly setUpLate: (pod: PodRequest) => Promise<Pick<SetupResult, "attachments">>;
}

/** Attaches the pods of this host to endpoints that are theirs and free; returns how many failed. */
export async function attachLatePods(deps: LateAttachDeps): Promise<number> {
  await keepKnown(deps);
  const named = await withoutHeld(deps, latePods(deps));
  const late = [...named, ...podsWithNetwork(deps, named)];
  const done = await Promise.all(late.map((pod) => attachLate(deps, pod)));
  return done.filter((isDone) => !isDone).length;
}

/**
 * Keeps known what names pods that wait here, and the networks that may serve them. While the store is unreachable, what
 * is known decides.
 */
async function keepKnown(deps: LateAttachDeps): Promise<void> {
  const { host, store, podMetadata, sandboxes: { unmatched } } = deps;
  const offer = offerOf(store.documents);
  const networks = unmatched.list().flatMap(({ pod, labels }) => {
    const atHand = podMetadata.atHand(pod);
    return atHand ? networkOf(offer, withContainerLabels(atHand, labels)) ?? [] : [];
  });
  // What was chosen for a running pod does not move under it.
  const words = candidatesHere(deps)
    .filter(({ sandbox }) => currentChoices(store.documents, host, sandbox).length === 0)
    .flatMap(({ name, sandbox }) => [name, shortId(sandbox)]);
  try {
    await store.keep({ words: [...new Set(words)], networks });
  } catch (error) {
    if (!isUnreachable(error)) throw error;
  }
}

/** Returns the pods of this host that a free endpoint names. */
export function latePods(deps: LatePodsDeps): PodRequest[] {
  const attachments = attachmentsOf(deps.store.documents, deps.host);
  // Of several with one endpoint, the first has it.
  const holders = new Map(
    attachments.toReversed().map((one) => [endpointKeyOf(one), one.sandbox]),
  );
  return podsHere(deps).filter((pod) => hasFreeEndpoint(deps, pod, holders));
}

/** Returns the pods that are known here, without plain containers that no endpoint names. */
function podsHere(deps: LatePodsDeps): PodRequest[] {
  const { store, sandboxes: { containers } } = deps;
  return namedAmong(
    store.documents,
    candidatesHere(deps),
    ({ sandbox }) => containers.isPlain(sandbox),
  );
}

/** Returns the pods that are known here: listed, with attachments, and without an endpoint so far. */
function candidatesHere(
  { store, host, sandboxes: { unmatched, containers, tornDown }, clock }: LatePodsDeps,
): PodRequest[] {
  // A CNI runtime asks for each interface itself.
  const attached = attachmentsOf(store.documents, host).filter(({ cni }) => !cni)
    .map(({ pod, sandbox }): PodRequest => ({ ...pod, sandbox }));
  const listed = containers.pods(clock.now());
  const all = [...listed, ...attached, ...unmatched.list().map(({ pod }) => pod)];
  return [...new Map(all.map((pod) => [pod.sandbox, pod])).values()]
    .filter(({ sandbox }) => !tornDown.has(sandbox));
}

/**
 * Leaves out the `isMeant` that no endpoint names, by the index: a host may run hundreds of containers
 * that have nothing to do with us, and a store may have 100,000 endpoints.
 */
function namedAmong(
  documents: Documents,
  pods: readonly PodRequest[],
  isMeant: (pod: PodRequest) => boolean,
): PodRequest[] {
  const isUsed = (group: string) => countIn(documents, group) > 0;
  const isNamed = (word: string) =>
    isUsed(groups.podName(word)) || isUsed(groups.uuid(word)) ||
    (word === shortId(word) && isUsed(groups.shortUuid(word)));
  return pods.filter((pod) => !isMeant(pod) || isNamed(pod.name) || isNamed(shortId(pod.sandbox)));
}

/** `holders` are the sandboxes of this host that have an endpoint, by its key. */
function hasFreeEndpoint(
  deps: LatePodsDeps,
  pod: PodRequest,
  holders: ReadonlyMap<string, string>,
): boolean {
  const { store: { documents }, host } = deps;
  // What was chosen for a running pod does not move under it.
  if (currentChoices(documents, host, pod.sandbox).length > 0) return false;
  const holderOf = ({ tenant, network, container }: EndpointRecord) =>
    holders.get(keys.endpoint(tenant, network, container));
  const isMine = (endpoint: EndpointRecord) => holderOf(endpoint) === pod.sandbox;
  const isFree = (endpoint: EndpointRecord) =>
    !holderOf(endpoint) && (isOurs(endpoint, host) || isAbandoned(deps, endpoint, pod));
  const endpoints = chosenFor(deps, pod);
  return endpoints.some(isFree) && endpoints.every((one) => isFree(one) || isMine(one));
}

/** Reports whether an endpoint is unbound, bound to this host, or pinned to it. */
function isOurs({ bound, pin, host: named }: EndpointRecord, host: string): boolean {
  return [undefined, host].includes(bound?.host) || (pin?.host ?? named) === host;
}

/** Containers without a kubelet move without a set-up: an endpoint with no attachment there is free. */
function isAbandoned(
  { store, sandboxes: { containers } }: LatePodsDeps,
  endpoint: EndpointRecord,
  pod: PodRequest,
): boolean {
  if (!containers.isPlain(pod.sandbox) || endpoint.bound === undefined) return false;
  if (!store.knows(endpoint)) return false;
  const key = keys.endpoint(endpoint.tenant, endpoint.network, endpoint.container);
  return !attachmentsOf(store.documents, endpoint.bound.host)
    .some((one) => endpointKeyOf(one) === key);
}

/**
 * Leaves out the pods whose endpoint another host has attached by the store: where only a part of it is known, the
 * binding to that host may be known before the attachment that was written with it.
 */
async function withoutHeld(
  deps: LateAttachDeps,
  pods: readonly PodRequest[],
): Promise<PodRequest[]> {
  if (deps.store.isWhole) return [...pods];
  const areHeld = await Promise.all(pods.map((pod) => {
    const elsewhere = chosenFor(deps, pod).filter((one) => !isOurs(one, deps.host));
    return Promise.all(elsewhere.map((endpoint) => isAttached(deps, endpoint)));
  }));
  return pods.filter((_, at) => !areHeld[at]?.includes(true));
}

/** Reports whether the host that an endpoint is bound to has attached it, by the store; true if that does not answer. */
async function isAttached(
  { store }: Pick<LateAttachDeps, "store">,
  { tenant, network, container, bound }: EndpointRecord,
): Promise<boolean> {
  const key = keys.endpoint(tenant, network, container);
  try {
    const members = await store.read(`${indexKeys.membersOf(tenant, network)}${bound?.host}/`);
    return [...members.values()].some(({ value }) =>
      endpointKeyOf(value as AttachmentRecord) === key
    );
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    return true;
  }
}

/**
 * Returns the pods without an endpoint that a network serves by now, as far as is known without asking the
 * API server: the set-up itself asks it, so it is not repeated while nothing has changed.
 */
function podsWithNetwork(deps: LateAttachDeps, named: readonly PodRequest[]): PodRequest[] {
  const sandboxes = new Set(named.map(({ sandbox }) => sandbox));
  const offer = offerOf(deps.store.documents);
  return [...deps.sandboxes.unmatched.list(), ...neverSetUp(deps)]
    .filter(({ pod }) => !sandboxes.has(pod.sandbox))
    .filter((one) => isWorthATry(deps, offer, one)).map(({ pod }) => pod);
}

/**
 * Returns the pods that run without any attachment though their kubelet has had its time, and that it has
 * asked only for the status of. Without that question they may be another network plugin's.
 */
function neverSetUp({ store, host, sandboxes, clock }: LateAttachDeps): UnmatchedPod[] {
  const { containers, unmatched, tornDown, statusAsked } = sandboxes;
  const known = new Set(unmatched.list().map(({ pod }) => pod.sandbox));
  return containers.overduePods(clock.now()).filter(({ sandbox }) =>
    statusAsked.has(sandbox) && !known.has(sandbox) && !tornDown.has(sandbox) &&
    attachmentsIn(store.documents, host, sandbox).length === 0
  ).map((pod) => ({ pod, reason: "", labels: undefined }));
}

function isWorthATry(
  deps: LateAttachDeps,
  offer: AvailableNetworks,
  { pod, labels }: UnmatchedPod,
): boolean {
  const { store: { documents }, podMetadata, backoff, clock } = deps;
  const atHand = podMetadata.atHand(pod);
  if (!atHand) return false;
  const known = withContainerLabels(atHand, labels);
  const network = networkOf(offer, known);
  if (!network || chosenFor(deps, pod).length > 0) return false;
  const { tenant, name } = network;
  const key = keys.endpoint(tenant, name, dynamicEndpointName(pod));
  const endpoint = documents.get(key)?.value as EndpointRecord | undefined;
  if (endpoint && endpoint.dynamic?.heldSince === undefined) return false;
  // A pool that is full has room when one of its claims has gone.
  const claims = countIn(documents, groups.addressesAt(tenant, name));
  return backoff.isDue(
    `late ${pod.sandbox}`,
    JSON.stringify([known, network, claims]),
    clock.now(),
  );
}

function networkOf(offer: AvailableNetworks, known: KnownPod): NetworkRecord | undefined {
  try {
    return chooseNetwork(offer, known).network;
  } catch {
    return undefined; // refused, which its own set-up has answered
  }
}

function chosenFor(deps: LatePodsDeps, pod: PodRequest): EndpointRecord[] {
  const { store, host, sandboxes: { containers }, logDedup, log } = deps;
  const { namespace, name, sandbox } = pod;
  try {
    const query = { host, namespace, pod: name, sandbox };
    return chooseEndpoints(store.documents, query).map(({ endpoint }) => endpoint);
  } catch (error) {
    // It belongs elsewhere. A pod's own set-up has answered that; a plain container has none.
    const words = faultFrom(error).message;
    const isNew = containers.isPlain(sandbox) && logDedup.isNew(`late ${sandbox}`, words);
    if (isNew) log.warn(`container left alone: ${words}`);
    return [];
  }
}

async function attachLate(deps: LateAttachDeps, pod: PodRequest): Promise<boolean> {
  const { store, host, sandboxes, logDedup, backoff, log } = deps;
  const { unmatched, queue, tornDown, containers, statusAsked } = sandboxes;
  const key = `late ${pod.sandbox}`;
  const isFirst = attachmentsIn(store.documents, host, pod.sandbox).length === 0;
  const left = () => unmatched.list().find((one) => one.pod.sandbox === pod.sandbox);
  const before = left();
  try {
    await queue.run(pod.sandbox, async () => {
      // A teardown may have come before our turn.
      if (tornDown.has(pod.sandbox)) return;
      const { attachments } = await deps.setUpLate(pod);
      if (attachments.length === 0 || !isFirst || !statusAsked.has(pod.sandbox)) return;
      log.info("pod attached without a set-up call: its kubelet has asked only for its status", {
        pod: `${pod.namespace}/${pod.name}`,
      });
      statusAsked.delete(pod.sandbox);
    });
    logDedup.forget(key);
    // It stays unmatched where the set-up has found nothing for it.
    if (!left()) backoff.forget(key);
    return true;
  } catch (error) {
    const { code, message } = faultFrom(error);
    const after = left();
    // Refused anew, and logged: what it asks for has changed since a moment ago.
    if (before && after && after !== before) return true;
    unmatched.remove(pod.sandbox);
    if (code === "not_found") return true;
    // Not a sandbox after all: it uses another container's network.
    if (code === "usage") {
      containers.dismiss(pod.sandbox);
      return true;
    }
    // It is tried again; the same failure is logged once.
    if (before) unmatched.add(pod, message, before.labels);
    if (logDedup.isNew(key, message)) {
      log.error(`pod ${pod.namespace}/${pod.name} not connected: ${message}`);
    }
    return code === "exhausted" || code === "conflict";
  }
}
