// Why a pod is where it is, or would go where it would go, or nowhere. Asks the same functions as a
// set-up does and changes nothing; a pod that nobody has seen yet is answered, too.

import { namedEndpoints } from "../../intent/bind.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import { dynamicName, heldUntil, type PodName } from "../../intent/dynamic.ts";
import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  keys,
} from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import type { WhyAnswer, WhyPlace } from "../api.ts";
import { allAttachments, findEndpoint } from "../store/documents.ts";
import { networkFor, planDynamicEndpoint } from "./dynamic_endpoint.ts";
import { bareAddress } from "./port_external_ids.ts";

/** What is known where the question is asked. */
export interface Asker {
  readonly documents: Documents;
  /** Tells what is known of the pod. Faults: unavailable, timeout. */
  readonly knownOf: () => Promise<KnownPod>;
  /** Label of the host that is asked; empty where it is only a store. */
  readonly host: string;
  /** Why the pod, which is on this host, was left without a network; undefined where it was not. */
  readonly leftWhy?: string | undefined;
}

/** Answers why `pod` is, or would be, where. */
export async function explainPod(asker: Asker, pod: PodName): Promise<WhyAnswer> {
  const { documents } = asker;
  const attachments = allAttachments(documents)
    .filter((one) => one.pod.namespace === pod.namespace && one.pod.name === pod.name);
  if (attachments.length > 0) return await whyAttached(asker, pod, attachments);
  const named = namedEndpoints(documents, { ...pod, pod: pod.name, host: asker.host, sandbox: "" });
  const answer = named.length > 0
    ? { state: "expected" as const, places: named.map(namedPlace), reason: "", notes: [] }
    : await whyChosen(asker);
  const { leftWhy, host } = asker;
  const left = leftWhy === undefined ? [] : [`it is on ${host} without a network: ${leftWhy}`];
  return { pod, ...answer, notes: [...left, ...answer.notes] };
}

async function whyAttached(
  asker: Asker,
  pod: PodName,
  attachments: readonly AttachmentRecord[],
): Promise<WhyAnswer> {
  const { documents } = asker;
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
    notes: [...failed, ...await moved(asker, pod, places)],
  };
}

/** What would be chosen now, where that is another network than the pod is in. */
async function moved(
  { documents, knownOf, host }: Asker,
  pod: PodName,
  places: readonly WhyPlace[],
): Promise<string[]> {
  const isDynamic = places.every(({ endpoint }) => endpoint === dynamicName(pod));
  if (!isDynamic) return [];
  const stays = "a network does not move under a running pod: set it up anew";
  const [named] = namedEndpoints(documents, { ...pod, pod: pod.name, host, sandbox: "" });
  if (named) return [`endpoint ${placeOf(named)} names it by now; ${stays}`];
  try {
    const known = await knownOf();
    // What only a part is known of may have been known better when the pod was set up.
    if (!known.labels.isComplete) return [];
    const choice = networkFor(documents, known);
    if (!choice.network) return [`nothing chooses a network for it by now; ${stays}`];
    const { tenant, name } = choice.network;
    const isSame = places.some((one) => one.tenant === tenant && one.network === name);
    return isSame ? [] : [`it would go to ${tenant}/${name} by now, by ${choice.rule}; ${stays}`];
  } catch (error) {
    return [`by now its set-up would be refused: ${faultFrom(error).message}`];
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

async function whyChosen({ documents, knownOf, host }: Asker): Promise<Omit<WhyAnswer, "pod">> {
  const none = { places: [], notes: [] };
  try {
    const known = await knownOf();
    const notes = known.labels.isComplete ? [] : ["its labels are not all known here"];
    const choice = networkFor(documents, known);
    if (!choice.network) {
      const reason = `no endpoint names it, and ${choice.why}`;
      return { ...none, state: "nowhere", reason, notes };
    }
    const arriving = { host, pod: known, interface: "", isTaking: () => false, tries: 0 };
    const { choice: { endpoint }, displaced } = planDynamicEndpoint(documents, choice, arriving);
    const place = { ...namedPlace(endpoint), host: "", rule: choice.rule };
    const words = addressWords(documents, endpoint, displaced);
    return { state: "expected", places: [place], reason: "", notes: [...words, ...notes] };
  } catch (error) {
    return { ...none, state: "refused", reason: faultFrom(error).message };
  }
}

function addressWords(
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
  if (!displaced) return [`${address} is the lowest free address at this moment`];
  return [
    `the pool is full: ${address} is held for ${displaced.dynamic?.pod}, which would lose it`,
  ];
}
