// Sets one pod up: identify the sandbox, choose its endpoints, claim them, attach. The last part is the
// reconcile loop's own, narrowed to one sandbox. The caller serialises the work for one sandbox.

import { freeInterfaceName } from "../../intent/bind.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import type { Runtimes, Sandbox } from "../../runtimes/runtime.ts";
import type { Clock } from "../../util/clock.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { PodRequest, SetupOutcome } from "../api/pod_requests.ts";
import type { AddressFinder } from "../store/address_finder.ts";
import type { HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { CommittedClaim } from "./apply_claim.ts";
import { logAttached } from "./attachment_log.ts";
import { type Claim, type Place, planClaim } from "./claim.ts";
import { commitClaim } from "./commit_claim.ts";
import {
  choosingAgain,
  claimDynamicEndpoint,
  type DynamicEndpointClaim,
  withDynamicEndpoint,
} from "./dynamic_endpoint_claim.ts";
import {
  choose,
  chooseFresh,
  type Query,
  refuseHeld,
  withDeadHolders,
  wordsOf,
} from "./endpoint_choice.ts";
import type { Mtus } from "./mtus.ts";
import type { Plumbing } from "./plumbing.ts";
import type { AliasesInFlight } from "./pod_alias.ts";
import type { PodMetadata } from "./pod_metadata.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { Reservation, WarmPool } from "./warm_pool.ts";

/** What a set-up works with. */
export interface SetupDeps extends HostView {
  readonly store: Pick<
    StoreCache,
    | "commit"
    | "persist"
    | "documents"
    | "isShared"
    | "addPending"
    | "lookUp"
    | "need"
    | "knows"
  >;
  readonly runtimes: Pick<Runtimes, "findSandbox" | "isAlive">;
  readonly plumbing: Pick<Plumbing, "foreignLinks">;
  readonly sandboxes: Pick<Sandboxes, "queue" | "unmatched" | "tornDown">;
  readonly podMetadata: PodMetadata;
  readonly planning: ClaimPlanning;
  /** Attaches what was claimed: applyClaim(). */
  readonly applyClaim: (claim: CommittedClaim) => Promise<AttachmentRecord[]>;
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
  readonly addressFinder: Pick<AddressFinder, "find">;
  readonly aliasesInFlight: AliasesInFlight;
  /** Returns 11 random hex digits. */
  readonly newId: () => string;
  readonly warmPool: Pick<WarmPool, "reserve">;
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
export function setupPod(
  deps: SetupDeps,
  request: PodRequest,
  { isLate = false } = {},
): Promise<SetupResult> {
  return choosingAgain(() => setupOnce(deps, request, isLate));
}

async function setupOnce(
  deps: SetupDeps,
  request: PodRequest,
  isLate: boolean,
): Promise<SetupResult> {
  const started = deps.clock.now();
  const { sandboxes } = deps;
  if (!isLate) sandboxes.tornDown.delete(request.sandbox);
  const sandbox = await findSandbox(deps.runtimes, request.sandbox);
  if (sandbox.isHostNetwork) return { outcome: "host-network", attachments: [] };
  const looking = deps.plumbing.foreignLinks({ ...sandbox, sandbox: sandbox.id });
  looking.catch(() => {}); // awaited below
  using _ = await deps.store.need({ words: wordsOf(request, sandbox) });
  const foreign = await looking;
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
  using ports = deps.planning.warmPool.reserve();
  const plan = await claimPlanner(deps, { query, pod, dynamic, isLate, ports });
  // Two sandboxes of one name may want one endpoint: the later one sees what the other claimed.
  const name = `${pod.namespace}/${pod.name}`;
  const claim = await sandboxes.queue.run(`claim ${name}`, () => commitClaim(deps, name, plan));
  if (dynamic) logDisplaced(deps.log, dynamic);
  ports.keep(claim.attachments.map((one) => one.port));
  const attachments = await deps.applyClaim(claim);
  const fresh = claim.attachments.filter((one) => one.state !== "ready");
  for (const one of fresh) logAttached(deps, one, started);
  return { outcome: "ready", attachments };
}

const NOTHING: Claim = { attachments: [], isNew: false, stale: [], checks: [], writes: [] };

/** Returns what decides the claim on the documents of the moment, anew for each try of its commit. */
async function claimPlanner(
  deps: SetupDeps,
  { query, pod, dynamic, isLate, ports }: {
    readonly query: Query;
    readonly pod: PodName;
    readonly dynamic: DynamicEndpointClaim | undefined;
    readonly isLate: boolean;
    readonly ports: Pick<Reservation, "portFor">;
  },
): Promise<(documents: Documents) => Claim> {
  const { planning: { mtus, newId, aliasesInFlight }, store, clock } = deps;
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
      isAliasTaken: (alias) => aliasesInFlight.has(alias),
      portFor: ports.portFor,
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
  const { host, store, podMetadata, planning: { addressesInFlight, addressFinder } } = deps;
  try {
    return await claimDynamicEndpoint(
      { host, store, podMetadata, addressesInFlight, addressFinder },
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
