// Which endpoints a pod gets when it is set up: those that name it, as far as no other running pod has them;
// a sandbox that has a dynamic endpoint keeps it.

import { type Choice, chooseEndpoints, matchesSwapped, namedEndpoints } from "../../intent/bind.ts";
import { dynamicEndpointName, type PodName } from "../../intent/dynamic.ts";
import { shortId } from "../../intent/indexed_documents.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes, Sandbox } from "../../runtimes/runtime.ts";
import { faultFrom, isUnreachable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { PodRequest } from "../api/pod_requests.ts";
import { attachmentsIn, attachmentsOf, endpointKeyOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { currentChoices } from "./dynamic_endpoint.ts";
import { deadHolders, heldByOther, otherHolder } from "./endpoint_holder.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What the choice is made with. */
export interface EndpointChoiceDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "lookUp">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly sandboxes: Pick<Sandboxes, "unmatched">;
  readonly log: Pick<Log, "warn">;
}

/** A pod, and its endpoints. */
export interface PodChoice {
  readonly pod: PodName;
  readonly choices: readonly Choice[];
}

/** Who is to be set up, and what stands in the way. */
export interface Query {
  readonly request: PodRequest;
  readonly sandbox: Sandbox;
  /** Interface names in the sandbox that are not ours. */
  readonly taken: readonly string[];
  /** Ids of attachments whose sandbox is gone. */
  readonly dead: ReadonlySet<string>;
}

/** Asks which of the pods that have this pod's endpoints do not run any more. */
export async function withDeadHolders(
  deps: EndpointChoiceDeps,
  query: Query,
): Promise<Query> {
  const { pod } = podOf(deps, query);
  const dead = await deadHolders(deps, holdersOf(deps, query, pod));
  return { ...query, dead };
}

/** Returns the attachments by which other pods have the endpoints that name this pod. */
function holdersOf(
  { host, store: { documents } }: EndpointChoiceDeps,
  { sandbox, dead }: Query,
  pod: PodName,
): AttachmentRecord[] {
  const placement = { host, namespace: pod.namespace, pod: pod.name, sandbox: sandbox.id };
  const claimant = { pod, sandbox: sandbox.id };
  return namedEndpoints(documents, placement)
    .flatMap((endpoint) => otherHolder(documents, endpoint, claimant) ?? [])
    .filter(({ id }) => !dead.has(id));
}

/** Refuses a pod whose endpoint another pod has, and remembers it for when the endpoint is free. */
export function refuseHeld(deps: EndpointChoiceDeps, query: Query, pod: PodName): void {
  const [holder] = holdersOf(deps, query, pod);
  if (!holder) return;
  const { request, sandbox } = query;
  const fault = heldByOther({ pod, sandbox: sandbox.id }, holder, deps);
  const left = { ...request, ...pod, sandbox: sandbox.id };
  deps.sandboxes.unmatched.add(left, fault.message, sandbox.labels);
  throw fault;
}

/**
 * Returns the endpoints of a pod; what was applied on another host a moment ago may be in the store and not in the cache
 * yet. Faults: as lookUp().
 */
export async function chooseFresh(
  deps: EndpointChoiceDeps,
  query: Query,
): Promise<PodChoice> {
  const known = choose(deps, query);
  if (known.choices.length > 0) return known;
  await lookUpPod(deps, known, wordsOf(query.request, query.sandbox));
  return choose(deps, query);
}

/**
 * Makes sure that the endpoints are known that `words` name. While the store does not answer, a pod that has a dynamic
 * endpoint here, of that interface if one is given, and only another sandbox, keeps that. Faults: as lookUp().
 */
export async function lookUpPod(
  { host, store }: HostView & { readonly store: Pick<StoreCache, "documents" | "lookUp"> },
  { pod, interface: asked }: { readonly pod: PodName; readonly interface?: string },
  words: readonly string[],
): Promise<void> {
  try {
    await store.lookUp(words);
  } catch (error) {
    const own = dynamicEndpointName(pod);
    const isHere = attachmentsOf(store.documents, host).some((one) =>
      one.endpoint === own && (asked === undefined || one.interface === asked)
    );
    if (!isHere || !isUnreachable(faultFrom(error))) throw error;
  }
}

/** Returns the words by which endpoints may name a pod: also in the old guide's order of namespace and name. */
export function wordsOf({ namespace, name }: PodRequest, { id, pod }: Sandbox): string[] {
  const names = pod ? [pod.name] : [name, namespace];
  return [...new Set([...names, shortId(id)])];
}

/** Kubelets pass namespace, then name; the old guide said the reverse. What the runtime knows decides. */
function podOf(
  { host, store: { documents } }: EndpointChoiceDeps,
  { request, sandbox }: Query,
): { readonly pod: PodName; readonly isSwapped: boolean } {
  const { namespace, name } = sandbox.pod ?? request;
  const placement = { host, namespace, pod: name, sandbox: sandbox.id };
  const isSwapped = !sandbox.pod && matchesSwapped(documents, placement);
  return {
    pod: isSwapped ? { namespace: name, name: namespace } : { namespace, name },
    isSwapped,
  };
}

/** Returns the pod, and its endpoints on the documents of this moment. Faults: as chooseEndpoints(). */
export function choose(deps: EndpointChoiceDeps, query: Query): PodChoice {
  const { host, store: { documents }, log } = deps;
  const { sandbox, taken, dead } = query;
  const { pod, isSwapped } = podOf(deps, query);
  const staying = currentChoices(documents, host, sandbox.id);
  if (staying.length > 0) return { pod, choices: staying };
  if (isSwapped) {
    log.warn("arguments came in the old guide's order: pod, namespace", {
      pod: pod.name,
      namespace: pod.namespace,
    });
  }
  const placement = { host, namespace: pod.namespace, pod: pod.name, sandbox: sandbox.id };
  const choices = chooseEndpoints(documents, placement, {
    taken,
    interfaces: new Map(
      attachmentsIn(documents, host, sandbox.id).map((one) => [endpointKeyOf(one), one.interface]),
    ),
    isHeld: (endpoint) => {
      const holder = otherHolder(documents, endpoint, { pod, sandbox: sandbox.id });
      return holder !== undefined && !dead.has(holder.id);
    },
  });
  return { pod, choices };
}
