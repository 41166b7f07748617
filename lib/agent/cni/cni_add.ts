// ADD: attaches one interface of a container, and describes it as the specification wants it.

import { CNI_CODES, type CniCall, CniError, type CniResult } from "../../cni/cni_types.ts";
import { freeInterfaceName } from "../../intent/bind.ts";
import { shortId } from "../../intent/indexed_documents.ts";
import type { NoChoice } from "../../intent/choice/choose.ts";
import type { KnownPod } from "../../intent/choice/requested_network.ts";
import type { PodName } from "../../intent/dynamic.ts";
import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import type { Sandbox } from "../../runtimes/runtime.ts";
import { Fault, faultFrom, oneLine } from "../../util/errors.ts";
import { isName, LONG_NAME_LIMIT } from "../../util/names.ts";
import type { CommittedClaim } from "../pods/apply_claim.ts";
import { logAttached } from "../pods/attachment_log.ts";
import { type Claim, type Place, planClaim } from "../pods/claim.ts";
import { commitClaim } from "../pods/commit_claim.ts";
import { unknownPod } from "../pods/pod_metadata.ts";
import {
  choosingAgain,
  claimEndpointFor,
  type DynamicEndpointClaim,
  metadataOf,
  withDynamicEndpoint,
} from "../pods/dynamic_endpoint_claim.ts";
import { lookUpPod } from "../pods/endpoint_choice.ts";
import { deadHolders, otherHolder } from "../pods/endpoint_holder.ts";
import type { SetupDeps } from "../pods/setup.ts";
import type { Reservation } from "../pods/warm_pool.ts";
import { attachmentsIn } from "../store/documents.ts";
import {
  chooseEndpoint,
  type InterfaceRequest,
  requestedEndpoints,
  requestedNetwork,
} from "./cni_choice.ts";
import { addKey } from "./cni_del.ts";
import { refuseHostPorts, refuseSecond } from "./cni_refusals.ts";
import { resultOf } from "./cni_result_of.ts";

/** What an ADD works with: what a kubelet's set-up works with. */
export type CniAddDeps = Omit<SetupDeps, "onUnmatched">;

/**
 * Attaches the interface and returns the result when its network works. With `isRetry`, an interface that an
 * earlier try of the same call has attached is a success. CniErrors: invalidEnvironment, invalidNetns,
 * unknownContainer, noNetwork. Faults: as setupPod().
 */
export function addInterface(
  deps: CniAddDeps,
  call: CniCall,
  { isRetry = false } = {},
): Promise<CniResult> {
  return choosingAgain(() => addOnce(deps, call, isRetry));
}

async function addOnce(deps: CniAddDeps, call: CniCall, isRetry: boolean): Promise<CniResult> {
  const started = deps.clock.now();
  const { host, store, sandboxes, plumbing } = deps;
  const sandbox = await findNetns(deps, call);
  const links = await plumbing.foreignLinks({ ...sandbox, sandbox: call.containerId });
  const hasForeign = links.some(({ isUp }) => isUp);
  const present = attachmentsIn(store.documents, host, call.containerId);
  const before = present.find((one) => one.cni?.ifname === call.ifname);
  if (before?.state === "ready" && before.netnsInode === sandbox.netnsInode) {
    if (!isRetry) throw interfaceExists(call);
    // An agent that was killed may have recorded it and not added its port.
    await deps.applyClaim({ ...NOTHING, attachments: [before] });
    return resultOf(call, before, { hasForeign });
  }
  const taken = [...links, ...present.map((one) => ({ name: one.interface }))]
    .map(({ name }) => name).filter((name) => name !== before?.interface);
  const request = requestOf(call, interfaceName(call, taken));
  const pod = request.pod;
  sandboxes.tornDown.delete(call.containerId);
  using _ = await store.need({ words: wordsOf(request) });
  const dead = await deadHolders(deps, holdersOf(deps, request));
  const network = await findNetwork(deps, { call, request, dead });
  using dynamic = network;
  sandboxes.unmatched.remove(call.containerId);
  // A plugin behind this one may look for the other end of the pod's interface, which a warm port does not have.
  using ports = call.config.ports === "warm" ? deps.planning.warmPool.reserve() : undefined;
  const plan = await claimPlanner(deps, { call, request, sandbox, dead, dynamic, ports });
  const name = `${pod.namespace}/${pod.name}`;
  const claim = await sandboxes.queue.run(`claim ${name}`, () => commitClaim(deps, name, plan));
  ports?.keep(claim.attachments.map((one) => one.port));
  const [planned] = claim.attachments;
  if (!planned) throw new Fault("failed", "nothing was attached");
  const applying = sandboxes.queue.run(addKey(planned), () => deps.applyClaim(claim));
  const [attachment = planned] = await applying;
  logAttached(deps, attachment, started);
  return resultOf(call, attachment, { hasForeign });
}

const NOTHING: Omit<CommittedClaim, "attachments"> = {
  ...{ isNew: false, stale: [], checks: [], writes: [] },
  ...{ persisted: Promise.resolve(), pendingAs: undefined },
};

/** Finds the namespace of CNI_NETNS. */
async function findNetns({ runtimes }: CniAddDeps, call: CniCall): Promise<Sandbox> {
  const sandbox = await runtimes.findSandbox(call.containerId, call.netns).catch((error) => {
    const { code, why, fix } = faultFrom(error);
    if (code !== "usage") throw error;
    const message = `CNI_NETNS ${oneLine(call.netns)} is not valid`;
    throw new CniError(CNI_CODES.invalidEnvironment, message, why ?? fix);
  });
  if (!sandbox) {
    throw new CniError(
      CNI_CODES.invalidEnvironment,
      `CNI_NETNS ${call.netns} is not a network namespace`,
      "it does not exist, or is something else",
    );
  }
  if (!sandbox.isHostNetwork) return sandbox;
  throw new CniError(
    CNI_CODES.invalidNetns,
    `CNI_NETNS ${call.netns} is the host's own network namespace`,
    "containers in the host's network need no plugin",
  );
}

function interfaceExists({ ifname, containerId }: CniCall): CniError {
  return new CniError(
    CNI_CODES.invalidEnvironment,
    `CNI_IFNAME ${ifname} exists already in container ${containerId}`,
    "DEL comes before another ADD",
  );
}

/**
 * Returns the name of the new interface: CNI_IFNAME, but if a plugin before ours has made an interface of this
 * name, that one is left alone.
 */
function interfaceName(call: CniCall, taken: readonly string[]): string {
  const { ifname, config: { prevResult } } = call;
  const isChained = prevResult?.interfaces.some((one) =>
    one.name === ifname && one.sandbox !== undefined
  );
  if (isChained) return freeInterfaceName(new Set([...taken, "eth0", ifname]));
  if (taken.includes(ifname)) throw interfaceExists(call);
  return ifname;
}

/** Returns the pod of a call: what CNI_ARGS says; a container without a pod is named by its id. */
export function podOf({ args, containerId }: Pick<CniCall, "args" | "containerId">): PodName {
  const { podNamespace: namespace = "default", podName: name = containerId } = args;
  for (const [key, value] of [["K8S_POD_NAMESPACE", namespace], ["K8S_POD_NAME", name]] as const) {
    if (isName(value, LONG_NAME_LIMIT)) continue;
    throw new CniError(CNI_CODES.invalidEnvironment, `CNI_ARGS has a ${key} that is not a name`);
  }
  return { namespace, name };
}

function requestOf(call: CniCall, name: string): InterfaceRequest {
  const { containerId, args, config } = call;
  const { runtimeConfig, tenant, network, endpoint } = config;
  const addresses = (args.ip === undefined ? runtimeConfig.ips ?? [] : [args.ip])
    .map((one) => one.split("/")[0] ?? one);
  if (addresses.length > 1) {
    throw new CniError(
      CNI_CODES.invalidConfig,
      "an interface has one address",
      `${addresses.length} are requested: ${addresses.slice(0, 3).join(", ")}`,
    );
  }
  const [address] = addresses;
  if (address?.includes(":")) {
    throw new CniError(CNI_CODES.invalidConfig, `address ${address} is requested, of IPv6`);
  }
  return {
    ...{ pod: podOf(call), sandbox: containerId, interface: name, config: config.name },
    ...{ tenant, network, endpoint, address },
    mac: args.mac ?? runtimeConfig.mac,
    hostPorts: runtimeConfig.hostPorts ?? [],
  };
}

/** Returns the words by which endpoints may be meant. */
function wordsOf({ pod, sandbox, endpoint }: InterfaceRequest): string[] {
  return [...new Set([pod.name, shortId(sandbox), ...endpoint === undefined ? [] : [endpoint]])];
}

/** Returns the attachments by which other pods have the endpoints that are meant. */
function holdersOf({ host, store }: CniAddDeps, request: InterfaceRequest): AttachmentRecord[] {
  const { documents } = store;
  return requestedEndpoints({ host, documents }, request)
    .flatMap((one) => otherHolder(documents, one, request) ?? []);
}

interface Search {
  readonly call: CniCall;
  readonly request: InterfaceRequest;
  readonly dead: ReadonlySet<string>;
}

/** Returns the claim on a network where no endpoint is written for the interface. */
async function findNetwork(
  deps: CniAddDeps,
  { call, request, dead }: Search,
): Promise<DynamicEndpointClaim | undefined> {
  const { host, store, podMetadata, planning: { addressesInFlight, addressFinder } } = deps;
  const isChosen = () => chooseEndpoint({ host, documents: store.documents, dead }, request);
  if (isChosen()) return undefined;
  // What was applied on another host a moment ago may not be in the cache yet.
  await lookUpPod({ host, store }, request, wordsOf(request));
  if (isChosen()) return undefined;
  const pod = await knownPod(deps, call, request);
  const found = await claimEndpointFor({
    host,
    store,
    podMetadata,
    addressesInFlight,
    addressFinder,
  }, {
    ...{ pod, interface: request.interface, network: requestedNetwork(request, pod) },
    ...{ address: request.address, mac: request.mac },
  });
  if (!("why" in found)) return found;
  throw noNetwork(deps, request, found);
}

/**
 * Returns what is known of the pod: annotations from the runtime, the rest from the API server, which is not
 * asked if the configuration names the network.
 */
async function knownPod(
  { podMetadata }: CniAddDeps,
  { args, config }: CniCall,
  { pod, network }: InterfaceRequest,
): Promise<KnownPod> {
  const { annotations } = config.runtimeConfig;
  const known = network === undefined
    ? await metadataOf(podMetadata, { ...pod, uid: args.podUid }, undefined)
    : unknownPod(pod);
  if (!annotations || known.annotations.isComplete) return known;
  return { ...known, annotations: { values: annotations, isComplete: true } };
}

function noNetwork(
  { host, store: { documents } }: CniAddDeps,
  request: InterfaceRequest,
  { why }: NoChoice,
): CniError {
  const { pod, sandbox } = request;
  const meant = requestedEndpoints({ host, documents }, request);
  const others = attachmentsIn(documents, host, sandbox).length;
  return new CniError(
    CNI_CODES.noNetwork,
    `no network for interface ${request.interface} of pod ${pod.namespace}/${pod.name}`,
    meant.length > 0 && others > 0
      ? "all endpoints that name it have an interface already"
      : `no endpoint names it, and ${why}; see "k8contivnet why ${pod.namespace}/${pod.name}"`,
  );
}

/** Returns what decides the claim on the documents of the moment, anew for each try of its commit. */
async function claimPlanner(
  deps: CniAddDeps,
  { call, request, sandbox, dead, dynamic, ports }: Search & {
    readonly sandbox: Sandbox;
    readonly dynamic: DynamicEndpointClaim | undefined;
    readonly ports: Pick<Reservation, "portFor"> | undefined;
  },
): Promise<(documents: Documents) => Claim> {
  const { host, store, clock, planning: { mtus, newId, aliasesInFlight } } = deps;
  const { pod } = request;
  const { netns, netnsInode, startTime } = sandbox;
  const place: Place = {
    ...{ host, sandbox: call.containerId, netns, netnsInode, startTime, pod },
    podUid: await deps.podMetadata.settle({ ...pod, uid: call.args.podUid }),
    cni: { network: call.config.name, ifname: call.ifname },
  };
  await mtus.follow(store.documents);
  return (documents) => {
    const view = { host, documents, dead };
    const chosen = chooseEndpoint(view, request);
    const endpoint = chosen ? undefined : dynamic?.plan(documents);
    const choice = chosen ?? endpoint?.choice;
    if (!choice) {
      throw new Fault("unavailable", `pod ${pod.namespace}/${pod.name} has lost its endpoint`, {
        why: "the intent has changed this very moment",
        fix: "try again",
      });
    }
    refuseSecond(view, request, choice);
    refuseHostPorts(view, request, choice);
    const mtuOf = mtus.of.bind(mtus);
    const isAliasTaken = (alias: string) => aliasesInFlight.has(alias);
    const options = { newId, mtuOf, isAliasTaken, ...ports && { portFor: ports.portFor } };
    const claim = planClaim(documents, place, [choice], options);
    return withDynamicEndpoint(documents, claim, endpoint, clock.wallMs());
  };
}
