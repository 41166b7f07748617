// Traces a packet of a pod here to something beyond its network, stage by stage: what policies and words of reach
// say of it, what the switch does with it, and what the kernel's own rules do then. They must agree.

import { addressToText, parseAddress } from "../../ipam/subnets.ts";
import { openStackView, type StackView } from "../../net/host/stack_view.ts";
import { verdictOf } from "../../policy/verdict.ts";
import { FILTER_NAME } from "../../reach/packet_filter.ts";
import type { ReachModel, ReachNetwork } from "../../reach/reach_model.ts";
import { type ReachWay, reachWay } from "../../reach/reach_way.ts";
import { Fault } from "../../util/errors.ts";
import type { TraceAnswer, TraceRequest, TraceStage } from "../api/diagnosis_requests.ts";
import { Compiler } from "./compiler.ts";
import {
  elsewhere,
  type End,
  findEnds,
  flowOf,
  isAddress,
  nameOf,
  packetOf,
  type TraceDeps,
  wordOf,
  wordOfTrace,
} from "./trace_packet.ts";

/** What a trace beyond a network works with. */
export interface TraceReachDeps extends TraceDeps {
  readonly model: ReachModel;
  /** @default this host's */
  readonly view?: StackView;
}

type Deps = TraceReachDeps & { readonly view: StackView };

/** Stands for the world outside (RFC 5737). */
const OUTSIDE = "192.0.2.1";

/**
 * Traces `outside`, `host`, a service's address or any other one that is not of the pod's network. Undefined
 * if the source is not a pod in a network with a distributed gateway, or both have one network. Faults: not_found,
 * where the pod is on another host; those of the view and the switch.
 */
export async function traceReach(
  given: TraceReachDeps,
  request: TraceRequest,
): Promise<TraceAnswer | undefined> {
  const deps: Deps = { ...given, view: given.view ?? openStackView() };
  const { model, host } = deps;
  const found = placed(deps, request);
  if (!found) return undefined;
  const { from, network, to } = found;
  if (from.attachment?.host !== host) throw elsewhere(from, to);
  const isHosts = await deps.view.isOwn(to.address);
  const way = reachWay(model, network, { destination: to.address, isHosts });
  const policies = await policiesStage(deps, request, { from, to, way });
  const gateway: TraceStage = { name: "gateway", isAllowed: way.isAllowed, by: way.by };
  const passed = await switchStage(deps, request, { from, to });
  const later = passed.isAllowed && way.to === "host"
    ? await hostStages(deps, request, { from, to, network, way })
    : [];
  const isAllowed = policies.isAllowed && way.isAllowed;
  const seen = passed.isAllowed && later.every((one) => one.isAllowed);
  return {
    source: nameOf(from),
    destination: request.destination === to.address
      ? nameOf(to)
      : `${request.destination} (${to.address})`,
    model: { isAllowed, by: policies.isAllowed ? way.by : policies.by },
    stages: [policies, gateway, passed, ...later],
    isAgreed: isAllowed === seen,
  };
}

interface Ends {
  readonly from: End;
  readonly to: End;
}

/** Returns source, its network, and destination; undefined if this is not about reach. */
function placed(
  deps: TraceReachDeps,
  { source, destination }: TraceRequest,
): Ends & { readonly network: ReachNetwork } | undefined {
  const { model } = deps;
  const targets = findEnds(deps, destination);
  for (const from of findEnds(deps, source)) {
    const network = model.networks.find(({ id }) => id === networkOf(from));
    if (!network || targets.some((one) => networkOf(one) === network.id)) continue;
    // Of pods with one address, that of a routed network is meant: the switch leads to no other.
    const pod = targets.find((one) => network.routedTo.includes(networkOf(one) ?? "")) ??
      (isAddress(destination) ? undefined : targets[0]);
    const to = pod ?? addressed(model, destination);
    if (to) return { from, network, to };
  }
  return undefined;
}

function networkOf({ attachment }: End): string | undefined {
  return attachment && `${attachment.tenant}/${attachment.network}`;
}

function addressed({ self }: ReachModel, destination: string): End | undefined {
  if (destination === "outside") return { address: OUTSIDE };
  if (destination === "host") return { address: self.node };
  if (!isAddress(destination)) return undefined;
  return { address: addressToText(parseAddress(destination)) };
}

async function policiesStage(
  deps: TraceReachDeps,
  request: TraceRequest,
  { from, to, way }: Ends & { readonly way: ReachWay },
): Promise<TraceStage> {
  const name = "policies";
  if (way.set === "services") {
    return { name, isAllowed: true, by: "they judge the service's backend; trace its address" };
  }
  if (to.address === deps.model.self.node) {
    return { name, isAllowed: true, by: "they do not judge what is for the own node" };
  }
  const compiler = await deps.policies.compiled() ?? new Compiler();
  return { name, ...wordOf(deps, verdictOf(compiler.model, packetOf(request, from, to))) };
}

async function switchStage(
  deps: TraceReachDeps,
  request: TraceRequest,
  { from, to }: Ends,
): Promise<TraceStage> {
  const flow = await flowOf(deps, request, { from, to, nextHop: deps.model.self.mac });
  if (flow === undefined) throw new Fault("not_found", `${nameOf(from)} has no port here`);
  const text = await deps.policies.tables.trace(flow);
  const compiler = await deps.policies.compiled();
  const numbers = compiler?.flows.policies;
  return { name: "switch", ...wordOfTrace(text, (number) => numbers?.get(number)?.policy) };
}

/** What this host's stack does, by the kernel's rules. */
async function hostStages(
  { view }: Deps,
  { protocol, port }: TraceRequest,
  { from, to, network, way }: Ends & { readonly network: ReachNetwork; readonly way: ReachWay },
): Promise<TraceStage[]> {
  const pod = network.local.find(({ address }) => address === from.address);
  const source = pod?.alias?.address ?? from.address;
  const set = way.set ?? "host";
  const isIn = await view.holds(FILTER_NAME, set, source);
  const who = source === from.address ? source : `its alias ${source}`;
  const by = isIn === undefined
    ? `table ip ${FILTER_NAME} is missing`
    : `${who} is ${isIn ? "in" : "not in"} set ${set} of table ip ${FILTER_NAME}`;
  const host: TraceStage = { name: "host", isAllowed: isIn !== false, by };
  if (!isIn) return [host];
  if (set === "services") {
    const destination = { address: to.address, protocol, port };
    const rule = await view.translation(destination);
    const what = protocol === "icmp" ? protocol : `${protocol} ${port}`;
    const service = rule !== undefined
      ? `${rule} leads to its backends`
      : `no rule of the host names ${to.address} for ${what}: ` +
        "is kube-proxy running, and has the service endpoints?";
    return [host, { name: "service", isAllowed: rule !== undefined, by: service }];
  }
  if (set !== "outside") return [host];
  const isHidden = await view.holds(FILTER_NAME, "leaving", source);
  const seen = isHidden ? "it leaves with this host's address" : `it leaves as ${who}`;
  return [host, { name: "source", isAllowed: true, by: seen }];
}
