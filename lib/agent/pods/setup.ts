// Sets one pod up: identify the sandbox, choose its endpoints, claim them, attach. The last part is the
// reconcile loop's own, narrowed to one sandbox. The caller serialises the work for one sandbox.

import {
  chooseEndpoints,
  freeInterfaceName,
  matchesSwapped,
  namedEndpoints,
} from "../../intent/bind.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import type { Runtimes, Sandbox } from "../../runtimes/runtime.ts";
import type { Clock } from "../../util/clock.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { PodRequest, SetupOutcome } from "../api.ts";
import { attachmentsIn, endpointKeyOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { CommittedClaim } from "./apply_claim.ts";
import { logAttached } from "./attachment_log.ts";
import { type Claim, type Place, planClaim } from "./claim.ts";
import { commitClaim } from "./commit_claim.ts";
import { currentChoices } from "./dynamic_endpoint.ts";
import {
  claimDynamicEndpoint,
  type DynamicEndpointClaim,
  withDynamicEndpoint,
} from "./dynamic_endpoint_claim.ts";
import { deadHolders, heldByOther, otherHolder } from "./endpoint_holder.ts";
import type { Mtus } from "./mtus.ts";
import type { Plumbing } from "./plumbing.ts";
import type { PodMetadata } from "./pod_metadata.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** What a set-up works with. */
export interface SetupDeps extends HostView {
  readonly store: Pick<
    StoreCache,
    "commit" | "documents" | "isShared" | "addPending" | "catchUp"
  >;
  readonly runtimes: Pick<Runtimes, "findSandbox" | "isAlive">;
  readonly plumbing: Pick<Plumbing, "foreignLinks">;
  readonly sandboxes: Pick<Sandboxes, "queue" | "unmatched" | "tornDown">;
  readonly podMetadata: PodMetadata;
  readonly planning: ClaimPlanning;
  /** Attaches what was claimed: applyClaim(). */
  readonly applyClaim: (claim: CommittedClaim) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** What to answer for a pod that nothing names. */
  readonly onUnmatched: "ignore" | "fail";
}

/** What new attachments get their values from. */
export interface ClaimPlanning {
  readonly mtus: Pick<Mtus, "follow" | "of">;
  /** Keys of the address claims that this host's set-ups are about to commit. */
  readonly addressesInFlight: Set<string>;
  /** Returns 11 random hex digits. */
  readonly newId: () => string;
}

/** What a set-up ended with. */
export interface SetupResult {
  readonly outcome: SetupOutcome;
  /** The sandbox's attachments, all ready. */
  readonly attachments: readonly AttachmentRecord[];
}

/**
 * Attaches a pod as the intent says and returns when its network works.
 * Faults: not_found (sandbox), conflict (belongs elsewhere), exhausted, unavailable, timeout.
 * With `isLate` no runtime asked for it: then it takes no endpoint from another sandbox.
 */
export async function setupPod(
  deps: SetupDeps,
  request: PodRequest,
  { isLate = false } = {},
): Promise<SetupResult> {
  const started = deps.clock.now();
  const { sandboxes } = deps;
  if (!isLate) sandboxes.tornDown.delete(request.sandbox);
  const sandbox = await findSandbox(deps.runtimes, request.sandbox);
  if (sandbox.isHostNetwork) return { outcome: "host-network", attachments: [] };
  const foreign = await deps.plumbing.foreignLinks({ ...sandbox, sandbox: sandbox.id });
  const query = await withDeadHolders(deps, {
    ...{ request, sandbox, taken: foreign.map((link) => link.name), dead: new Set<string>() },
  });
  const { pod, choices } = await chooseFresh(deps, query);
  const network = choices.length > 0 ? undefined : await findNetwork(deps, query, pod);
  if (network && "why" in network) {
    refuseHeld(deps, query, pod);
    return unmatched(deps, { ...request, ...pod }, sandbox, network.why);
  }
  using dynamic = network;
  sandboxes.unmatched.remove(sandbox.id);
  const plan = await claimPlanner(deps, { query, pod, dynamic, isLate });
  // Two sandboxes of one name may want one endpoint: the later one sees what the other claimed.
  const name = `${pod.namespace}/${pod.name}`;
  const claim = await sandboxes.queue.run(`claim ${name}`, () => commitClaim(deps, name, plan));
  if (dynamic) logDisplaced(deps.log, dynamic);
  await deps.applyClaim(claim);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  for (const one of fresh) logAttached(deps, one, started);
  return {
    outcome: "ready",
    attachments: claim.attachments.map((one) => ({ ...one, state: "ready" as const })),
  };
}

const NOTHING: Claim = { attachments: [], isNew: false, stale: [], checks: [], writes: [] };

/** Returns what decides the claim on the documents of the moment, anew for each try of its commit. */
async function claimPlanner(
  deps: SetupDeps,
  { query, pod, dynamic, isLate }: {
    readonly query: Query;
    readonly pod: PodName;
    readonly dynamic: DynamicEndpointClaim | undefined;
    readonly isLate: boolean;
  },
): Promise<(documents: Documents) => Claim> {
  const { planning: { mtus, newId }, store, clock } = deps;
  const { sandbox } = query;
  const place: Place = {
    host: deps.host,
    sandbox: sandbox.id,
    netns: sandbox.netns,
    netnsInode: sandbox.netnsInode,
    startTime: sandbox.startTime,
    pod,
    podUid: await deps.podMetadata.settle({ ...pod, uid: sandbox.pod?.uid }),
  };
  await mtus.follow(store.documents);
  return (documents) => {
    const { choices } = choose(deps, query);
    if (choices.length === 0 && !dynamic) refuseHeld(deps, query, pod);
    const endpoint = choices.length === 0 ? dynamic?.plan(documents) : undefined;
    const claim = planClaim(documents, place, endpoint ? [endpoint.choice] : choices, {
      newId,
      mtuOf: (network) => mtus.of(network),
    });
    const isTaken = isLate && claim.stale.some((one) => one.sandbox !== sandbox.id);
    return isTaken ? NOTHING : withDynamicEndpoint(documents, claim, endpoint, clock.wallMs());
  };
}

async function findSandbox(runtimes: SetupDeps["runtimes"], id: string): Promise<Sandbox> {
  const sandbox = await runtimes.findSandbox(id);
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

/** Finds the network of a pod that no endpoint names; a refusal is remembered with its reason. */
async function findNetwork(
  deps: SetupDeps,
  { request, sandbox, taken }: Query,
  pod: PodName,
): Promise<DynamicEndpointClaim | NoChoice> {
  const { host, store, podMetadata, planning: { addressesInFlight } } = deps;
  try {
    return await claimDynamicEndpoint(
      { host, store, podMetadata, addressesInFlight },
      { pod, sandbox, interface: freeInterfaceName(new Set(taken)) },
    );
  } catch (error) {
    const { message } = faultFrom(error);
    const left = { ...request, ...pod, sandbox: sandbox.id };
    deps.sandboxes.unmatched.add(left, message, sandbox.labels);
    deps.log.warn(`set-up refused: ${message}`);
    throw error;
  }
}

/** Who is to be set up, and what stands in the way. */
interface Query {
  readonly request: PodRequest;
  readonly sandbox: Sandbox;
  /** Interface names in the sandbox that are not ours. */
  readonly taken: readonly string[];
  /** Ids of attachments whose sandbox is gone. */
  readonly dead: ReadonlySet<string>;
}

/** Asks which of the pods that have this pod's endpoints do not run any more. */
async function withDeadHolders(deps: SetupDeps, query: Query): Promise<Query> {
  const { pod } = podOf(deps, query);
  const dead = await deadHolders(deps, holdersOf(deps, query, pod));
  return { ...query, dead };
}

/** Returns the attachments by which other pods have the endpoints that name this pod. */
function holdersOf(
  { host, store: { documents } }: SetupDeps,
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
function refuseHeld(deps: SetupDeps, query: Query, pod: PodName): void {
  const [holder] = holdersOf(deps, query, pod);
  if (!holder) return;
  const { request, sandbox } = query;
  const fault = heldByOther({ pod, sandbox: sandbox.id }, holder, deps);
  const left = { ...request, ...pod, sandbox: sandbox.id };
  deps.sandboxes.unmatched.add(left, fault.message, sandbox.labels);
  throw fault;
}

/** What was applied on another host a moment ago may be in the store and not in the cache yet. */
async function chooseFresh(deps: SetupDeps, query: Query) {
  const known = choose(deps, query);
  if (known.choices.length > 0) return known;
  // If the store is unreachable, what is known decides.
  await deps.store.catchUp().catch(() => {});
  return choose(deps, query);
}

/** Kubelets pass namespace, then name; the old guide said the reverse. What the runtime knows decides. */
function podOf(
  { host, store: { documents } }: SetupDeps,
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

function choose(deps: SetupDeps, query: Query) {
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

function unmatched(
  { sandboxes, onUnmatched, log }: SetupDeps,
  pod: PodRequest,
  { id, labels }: Sandbox,
  why: string,
): SetupResult {
  const reason = `no endpoint names ${pod.namespace}/${pod.name}, and ${why}`;
  sandboxes.unmatched.add({ ...pod, sandbox: id }, reason, labels);
  if (onUnmatched === "fail") {
    throw new Fault("not_found", `pod ${pod.namespace}/${pod.name} has no endpoint`, {
      why: `nothing in the intent names it, and ${why}`,
      fix: 'add an endpoint, or a Default network, with "k8contivnet apply"',
    });
  }
  log.info("pod left alone", { pod: `${pod.namespace}/${pod.name}`, reason });
  return { outcome: "unmatched", attachments: [] };
}

function logDisplaced(log: Log, { displaced }: DynamicEndpointClaim): void {
  if (!displaced) return;
  const { tenant, network, address, namespace, dynamic } = displaced;
  log.warn("pool full: a held address is reused", {
    network: `${tenant}/${network}`,
    address,
    pod: `${namespace}/${dynamic?.pod}`,
  });
}
