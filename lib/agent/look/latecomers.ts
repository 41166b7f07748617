// Endpoints that come after their pods: what an intent names later is connected to the pod that is
// here already. Never takes an endpoint from another sandbox, here or elsewhere: only a set-up that a
// runtime asks for does that.

import { chooseEndpoints } from "../../intent/bind.ts";
import type { EndpointRecord } from "../../intent/records.ts";
import { faultFrom } from "../../util/errors.ts";
import type { PodRequest } from "../api.ts";
import { setupPod } from "../pods/setup.ts";
import { attachmentsOf, endpointKeyOf } from "../record/documents.ts";
import { keys } from "../../intent/records.ts";
import type { World } from "../world.ts";

/** Connects the pods of this host to endpoints that are theirs and free; gives how many failed. */
export async function connectLatecomers(world: World): Promise<number> {
  const late = podsHere(world).filter((pod) => hasFreeEndpoint(world, pod));
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
  const attachments = attachmentsOf(documents, host);
  const holderOf = ({ tenant, network, container }: EndpointRecord) =>
    attachments.find((one) => endpointKeyOf(one) === keys.endpoint(tenant, network, container));
  const isMine = (endpoint: EndpointRecord) => holderOf(endpoint)?.sandbox === pod.sandbox;
  const isFree = (endpoint: EndpointRecord) =>
    !holderOf(endpoint) && [undefined, host].includes(endpoint.bound?.host);
  const endpoints = chosenFor(world, pod);
  return endpoints.some(isFree) && endpoints.every((one) => isFree(one) || isMine(one));
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
  try {
    await world.queue.run(pod.sandbox, () => setupPod(world, pod, { isLate: true }));
    return true;
  } catch (error) {
    const fault = faultFrom(error);
    if (fault.code === "not_found") world.unmatched.remove(pod.sandbox);
    else world.log.error(`pod ${pod.namespace}/${pod.name} not connected: ${fault.message}`);
    return fault.code === "not_found";
  }
}
