// Explains why a pod is in its networks, or in which it would be after a set-up, or why in none. Uses the
// same functions as a set-up and changes nothing; the pod need not exist yet.

import { namedEndpoints } from "../../intent/bind.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import { dynamicEndpointName, heldUntil, type PodName } from "../../intent/dynamic.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
  type TenantRecord,
} from "../../intent/records.ts";
import { readableAt } from "../../intent/readable.ts";
import { idOf, isDistributed } from "../../intent/reach_settings.ts";
import { faultFrom } from "../../util/errors.ts";
import type { WhyAnswer, WhyPlace } from "../api/diagnosis_requests.ts";
import { allAttachments, connectionOf, findEndpoint, findNetwork } from "../store/documents.ts";
import { networkFor, planDynamicEndpoint } from "./dynamic_endpoint.ts";
import { bareAddress } from "./port_external_ids.ts";

/** What explainPod() needs. */
export interface ExplainContext {
  readonly documents: Documents;
  /** Returns the metadata of the pod. Faults: unavailable, timeout. */
  readonly metadataOf: () => Promise<KnownPod>;
  /** Label of this host; empty if only a store is used. */
  readonly host: string;
  /** Whether labels are asked of a cluster. @default true */
  readonly hasCluster?: boolean;
  /** Why the pod is on this host without a network; undefined if it is not. */
  readonly unmatchedReason?: string | undefined;
}

/** Explains where `pod` is or would be, and why. */
export async function explainPod(context: ExplainContext, pod: PodName): Promise<WhyAnswer> {
  const answer = await whyPlaced(context, pod);
  const { notes, places } = answer;
  const { documents } = context;
  return {
    ...answer,
    notes: [...notes, ...groupNotes(documents, places), ...reachNotes(documents, places)],
  };
}

/** Returns the groups of the endpoints at `places`, with their policies. */
function groupNotes(documents: Documents, places: readonly WhyPlace[]): string[] {
  return places.flatMap(({ tenant, network, endpoint }) => {
    const key = keys.endpoint(tenant, network, endpoint);
    const group = readableAt<EndpointRecord>(documents, key)?.group;
    if (group === undefined) return [];
    const { groups = [] } = readableAt<TenantRecord>(documents, keys.tenant(tenant)) ?? {};
    const policies = groups.find(({ Name }) => Name === group)?.Policies;
    const names = Array.isArray(policies) && policies.length > 0
      ? `policies ${policies.join(", ")}`
      : "no policies";
    return [`endpoint ${tenant}/${network}/${endpoint} is in group ${group}: ${names}`];
  });
}

/** Returns how the hosts connect the networks of `places`, if they do. */
function reachNotes(documents: Documents, places: readonly WhyPlace[]): string[] {
  const networks = new Set(places.flatMap((one) => findNetwork(documents, one) ?? []));
  return [...networks].filter(isDistributed).map((network) => {
    const { reach } = connectionOf(documents, network);
    const { aliasedBecause, subnet } = network;
    const stack = aliasedBecause === undefined
      ? `owns ${subnet} in the hosts' stacks`
      : `is aliased in the hosts' stacks, because of ${aliasedBecause}`;
    const words = reach.length > 0 ? reach.join(", ") : "nothing beyond it";
    return `${idOf(network)} has a distributed gateway, reaches ${words}, and ${stack}`;
  });
}

async function whyPlaced(context: ExplainContext, pod: PodName): Promise<WhyAnswer> {
  const { documents } = context;
  const attachments = allAttachments(documents)
    .filter((one) => one.pod.namespace === pod.namespace && one.pod.name === pod.name);
  if (attachments.length > 0) return await whyAttached(context, pod, attachments);
  const named = namedEndpoints(documents, { ...pod, pod: pod.name, host: context.host });
  const answer = named.length > 0
    ? { state: "expected" as const, places: named.map(namedPlace), reason: "", notes: [] }
    : await whyChosen(context);
  const { unmatchedReason: leftWhy, host } = context;
  const left = leftWhy === undefined ? [] : [`it is on ${host} without a network: ${leftWhy}`];
  return { pod, ...answer, notes: [...left, ...answer.notes] };
}

async function whyAttached(
  context: ExplainContext,
  pod: PodName,
  attachments: readonly AttachmentRecord[],
): Promise<WhyAnswer> {
  const { documents } = context;
  const places = attachments.map((one): WhyPlace => {
    const endpoint = findEndpoint(documents, one);
    return {
      tenant: one.tenant,
      network: one.network,
      endpoint: one.endpoint,
      address: one.addresses.map(bareAddress).join(","),
      interface: one.interface,
      host: one.host,
      state: one.state,
      rule: endpoint ? ruleOf(endpoint) : "its endpoint is gone",
    };
  });
  const failed = attachments.flatMap(({ reason }) => reason ? [reason] : []);
  return {
    pod,
    state: "attached",
    places,
    reason: "",
    notes: [...failed, ...await moved(context, pod, places)],
  };
}

/** Returns notes if a set-up now would choose another network than the pod is in. */
async function moved(
  { documents, metadataOf: knownOf, host }: ExplainContext,
  pod: PodName,
  places: readonly WhyPlace[],
): Promise<string[]> {
  const isDynamic = places.every(({ endpoint }) => endpoint === dynamicEndpointName(pod));
  if (!isDynamic) return [];
  const stays = "a running pod keeps its network: tear it down and set it up again " +
    "(in Kubernetes: delete the pod)";
  const [named] = namedEndpoints(documents, { ...pod, pod: pod.name, host });
  if (named) return [`endpoint ${placeOf(named)} names it now; ${stays}`];
  try {
    const known = await knownOf();
    // Incomplete labels may have been complete when the pod was set up.
    if (!known.labels.isComplete) return [];
    const choice = networkFor(documents, known);
    if (!choice.network) return [`no network is chosen for it now; ${stays}`];
    const { tenant, name } = choice.network;
    const isSame = places.some((one) => one.tenant === tenant && one.network === name);
    return isSame ? [] : [`it would be in ${tenant}/${name} now, by ${choice.rule}; ${stays}`];
  } catch (error) {
    return [`a set-up would be refused now: ${faultFrom(error).message}`];
  }
}

function namedPlace(endpoint: EndpointRecord): WhyPlace {
  const { tenant, network, container, address, pin, host, bound } = endpoint;
  return {
    ...{ tenant, network, endpoint: container, address },
    interface: endpoint.interface ?? "",
    host: pin?.host ?? host ?? bound?.host ?? "",
    state: "",
    rule: ruleOf(endpoint),
  };
}

function ruleOf(endpoint: EndpointRecord): string {
  if (endpoint.dynamic) return endpoint.dynamic.rule;
  const home = endpoint.pin?.host ?? endpoint.host;
  return `endpoint ${placeOf(endpoint)}${home ? `, pinned to ${home}` : ""}`;
}

function placeOf({ tenant, network, container }: EndpointRecord): string {
  return `${tenant}/${network}/${container}`;
}

async function whyChosen(
  { documents, metadataOf: knownOf, hasCluster = true }: ExplainContext,
): Promise<Omit<WhyAnswer, "pod">> {
  const none = { places: [], notes: [] };
  try {
    const known = await knownOf();
    const isUnsure = hasCluster && !known.labels.isComplete;
    const notes = isUnsure ? ["its labels are not completely known here"] : [];
    const choice = networkFor(documents, known);
    if (!choice.network) {
      const reason = `no endpoint names it, and ${choice.why}`;
      return { ...none, state: "nowhere", reason, notes };
    }
    const arriving = { pod: known, interface: "", isTaking: () => false, skip: 0 };
    const { choice: { endpoint }, displaced } = planDynamicEndpoint(documents, choice, arriving);
    const place = { ...namedPlace(endpoint), host: "", rule: choice.rule };
    const addressNotes = notesOnAddress(documents, endpoint, displaced);
    return { state: "expected", places: [place], reason: "", notes: [...addressNotes, ...notes] };
  } catch (error) {
    return { ...none, state: "refused", reason: faultFrom(error).message };
  }
}

function notesOnAddress(
  documents: Documents,
  { tenant, network, container, address }: EndpointRecord,
  displaced: EndpointRecord | undefined,
): string[] {
  const key = keys.endpoint(tenant, network, container);
  const known = documents.get(key)?.value as EndpointRecord | undefined;
  const until = known && heldUntil(documents, known);
  if (until !== undefined) {
    return [`${address} is held for it until ${new Date(until).toISOString()}`];
  }
  if (known) return [];
  if (!displaced) return [`${address} is the lowest free address now`];
  return [
    `the pool is full: ${address} is held for ${displaced.dynamic?.pod}, which would lose it`,
  ];
}
