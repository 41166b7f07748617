// Sets one pod up. The same steps as reconcile, narrowed to one sandbox: identify, choose, claim, do,
// say. Work for one sandbox is serialised by the caller.

import { chooseEndpoints, freeName, matchesSwapped } from "../../intent/bind.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { AttachmentRecord } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import { findEndpoint } from "../store/documents.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { PodRequest, SetupAnswer } from "../api.ts";
import { attachmentItem } from "../server/items.ts";
import type { World } from "../world.ts";
import { stayingChoices } from "./dynamic_endpoint.ts";
import {
  claimDynamicEndpoint,
  type DynamicEndpointClaim,
  withDynamicEndpoint,
} from "./dynamic_endpoint_claim.ts";
import { foreignLinks } from "./attach.ts";
import { type Claim, type Place, planClaim } from "./claim.ts";
import { applyClaim, type CommittedClaim } from "./apply_claim.ts";
import { logAttached } from "./attachment_log.ts";
import { desiredOf } from "./desired.ts";

/**
 * Connects a pod as the intent says and answers when its network works.
 * Faults: not_found (sandbox), conflict (belongs elsewhere), exhausted, unavailable, timeout.
 * With `isLate` nobody has asked for it: then it takes no endpoint from another sandbox.
 */
export async function setupPod(
  world: World,
  request: PodRequest,
  { isLate = false } = {},
): Promise<SetupAnswer> {
  const started = world.now();
  if (!isLate) world.tornDown.delete(request.sandbox);
  const sandbox = await findSandbox(world, request.sandbox);
  if (sandbox.isHostNetwork) return { outcome: "host-network", attachments: [] };
  const taken = (await foreignLinks(world, { ...sandbox, sandbox: sandbox.id }))
    .map((link) => link.name);
  const wish = { request, sandbox, taken };
  const { pod, choices } = await chooseSurely(world, wish);
  const way = choices.length > 0 ? undefined : await findWay(world, wish, pod);
  if (way && "why" in way) return unmatched(world, { ...request, ...pod }, sandbox, way.why);
  using arriving = way;
  world.unmatched.remove(sandbox.id);
  const podUid = await world.podMetadata.settle({ ...pod, uid: sandbox.pod?.uid });
  const place: Place = {
    host: world.host,
    sandbox: sandbox.id,
    netns: sandbox.netns,
    netnsInode: sandbox.netnsInode,
    startTime: sandbox.startTime,
    pod,
    podUid,
  };
  await world.mtus.follow(world.store.documents);
  const plan = (documents: World["store"]["documents"]) => {
    const { choices } = choose(world, wish);
    const arrival = choices.length === 0 ? arriving?.plan(documents) : undefined;
    const claim = planClaim(documents, place, arrival ? [arrival.choice] : choices, {
      newId: world.newId,
      mtuOf: (network) => world.mtus.of(network),
    });
    const isTaken = isLate && claim.stale.some((one) => one.sandbox !== sandbox.id);
    return isTaken ? NOTHING : withDynamicEndpoint(documents, claim, arrival, world.wallMs());
  };
  // Two sandboxes of one name may want one endpoint: whoever comes later sees what the other claimed.
  const name = `${pod.namespace}/${pod.name}`;
  const claim = await world.queue.run(`claim ${name}`, () => commitOrHold(world, name, plan));
  if (arriving) tellDisplaced(world, arriving);
  await applyClaim(world, claim);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  for (const one of fresh) logAttached(world, one, started);
  const documents = world.store.documents;
  return {
    outcome: "ready",
    attachments: claim.attachments.map((one) =>
      attachmentItem({ ...one, state: "ready" }, desiredOf(world, documents, one).tag)
    ),
  };
}

const NOTHING: Claim = { attachments: [], isNew: false, stale: [], checks: [], writes: [] };

async function findSandbox(world: World, id: string): Promise<Sandbox> {
  const sandbox = await world.runtimes.findSandbox(id);
  if (!sandbox) {
    throw new Fault("not_found", `sandbox ${id} is unknown`, {
      why: "no container runtime and no /run/netns entry knows it",
      fix: "check the id, and the agent's --docker",
    });
  }
  if (sandbox.isRunning) return sandbox;
  throw new Fault("not_found", `sandbox ${id} is not running`, {
    why: "it has no network namespace any more",
    fix: "start the container again",
  });
}

/** Finds the network of a pod that no endpoint names; one that is refused is remembered with the reason. */
async function findWay(
  world: World,
  { request, sandbox, taken }: Wish,
  pod: PodName,
): Promise<DynamicEndpointClaim | NoChoice> {
  try {
    return await claimDynamicEndpoint(world, { pod, sandbox, interface: freeName(new Set(taken)) });
  } catch (error) {
    const { message } = faultFrom(error);
    world.unmatched.add({ ...request, ...pod, sandbox: sandbox.id }, message, sandbox.labels);
    world.log.warn(`set-up refused: ${message}`);
    throw error;
  }
}

/** What was applied on another host a moment ago may be in the store and not yet here. */
async function chooseSurely(world: World, wish: Wish) {
  const known = choose(world, wish);
  if (known.choices.length > 0) return known;
  // A store that does not answer: then what is known decides.
  await world.store.catchUp().catch(() => {});
  return choose(world, wish);
}

/** Who is to be set up, and which interface names are taken in the sandbox. */
interface Wish {
  readonly request: PodRequest;
  readonly sandbox: Sandbox;
  readonly taken: readonly string[];
}

/** Kubelets give namespace, then name; the guide said the reverse. What the runtime knows decides. */
function choose(world: World, { request, sandbox, taken }: Wish) {
  const documents = world.store.documents;
  const given = sandbox.pod ?? { namespace: request.namespace, name: request.name };
  const staying = stayingChoices(documents, world.host, sandbox.id);
  if (staying.length > 0) {
    return { pod: { namespace: given.namespace, name: given.name }, choices: staying };
  }
  const query = {
    host: world.host,
    namespace: given.namespace,
    pod: given.name,
    sandbox: sandbox.id,
  };
  if (!sandbox.pod && matchesSwapped(documents, query)) {
    world.log.warn("arguments came in the old guide's order: pod, namespace", {
      pod: given.namespace,
      namespace: given.name,
    });
    const pod = { namespace: given.name, name: given.namespace };
    const swapped = { ...query, namespace: pod.namespace, pod: pod.name };
    return { pod, choices: chooseEndpoints(documents, swapped, { taken }) };
  }
  const pod = { namespace: given.namespace, name: given.name };
  return { pod, choices: chooseEndpoints(documents, query, { taken }) };
}

function unmatched(
  world: World,
  pod: PodRequest,
  { id, labels }: Sandbox,
  why: string,
): SetupAnswer {
  const reason = `no endpoint names ${pod.namespace}/${pod.name}, and ${why}`;
  world.unmatched.add({ ...pod, sandbox: id }, reason, labels);
  if (world.onUnmatched === "fail") {
    throw new Fault("not_found", `pod ${pod.namespace}/${pod.name} has no endpoint`, {
      why: `nothing in the intent names it, and ${why}`,
      fix: 'add an endpoint, or a Default network, with "k8contivnet apply"',
    });
  }
  world.log.info("pod left alone", { pod: `${pod.namespace}/${pod.name}`, reason });
  return { outcome: "unmatched", attachments: [] };
}

/**
 * Commits the claim. While the store is away, a claim on endpoints that are this host's already is held
 * and told later; any other is refused, as another host may be making it, too.
 */
async function commitOrHold(
  world: World,
  name: string,
  plan: (documents: World["store"]["documents"]) => Claim,
): Promise<CommittedClaim> {
  try {
    return { ...await commitClaim(world, plan), pendingAs: undefined };
  } catch (error) {
    const { code, message } = faultFrom(error);
    const claim = ["unavailable", "timeout"].includes(code)
      ? plan(world.store.documents)
      : undefined;
    if (!claim || !world.isShared || !claim.attachments.every((one) => isOurs(world, one))) {
      throw error;
    }
    world.log.warn(`store is away, set-up is told to it later: ${message}`, { pod: name });
    world.store.addPending(name, claim.checks, claim.writes);
    return { ...claim, pendingAs: name };
  }
}

/** Reports whether an attachment's endpoint is bound or pinned to this host. */
function isOurs({ store, host }: World, one: AttachmentRecord): boolean {
  const endpoint = findEndpoint(store.documents, one);
  // An address that is held may be another pod's by now.
  if (!endpoint || endpoint.dynamic?.heldSince !== undefined) return false;
  return (endpoint.pin?.host ?? endpoint.host) === host || endpoint.bound?.host === host;
}

/** Commits what `plan` wants of the documents as they are at that moment. */
async function commitClaim(
  world: World,
  plan: (documents: World["store"]["documents"]) => Claim,
): Promise<Claim> {
  let claim: Claim | undefined;
  await world.store.commit((documents) => {
    claim = plan(documents);
    return claim.writes.length > 0 ? claim : undefined;
  });
  if (!claim) throw new Fault("failed", "claim was not planned");
  return claim;
}

function tellDisplaced({ log }: World, { displaced }: DynamicEndpointClaim): void {
  if (!displaced) return;
  const { tenant, network, address, namespace, dynamic } = displaced;
  log.warn("pool full: an address is held no longer", {
    network: `${tenant}/${network}`,
    address,
    pod: `${namespace}/${dynamic?.pod}`,
  });
}
