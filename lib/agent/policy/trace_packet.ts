// Traces one packet through both the model and the switch itself. They must agree.

import {
  type AttachmentRecord,
  type Documents,
  type EndpointRecord,
  type HostRecord,
  keys,
} from "../../intent/records.ts";
import { readableAt } from "../../intent/readable.ts";
import { addressToText, parseAddress } from "../../ipam/subnets.ts";
import { PATCH_ON_INTEGRATION } from "../../ovs/bridge/port_names.ts";
import type { Direction } from "../../policy/input.ts";
import { PROTOCOLS } from "../../policy/rules.ts";
import { type Packet, type Verdict, verdictOf } from "../../policy/verdict.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import type { TraceAnswer, TraceRequest, TraceWord } from "../api/diagnosis_requests.ts";
import { endpointsOf, findNetwork } from "../store/documents.ts";
import { UnknownPod } from "../store/unknown_pod.ts";
import { bareAddress, hostEndOf } from "../pods/port_external_ids.ts";
import type { Switch } from "../../ovs/switch.ts";
import type { FabricSync } from "../fabric/fabric_sync.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { HostView } from "../store/documents.ts";
import type { PolicyEnforcer } from "./policy_enforcer.ts";
import { Compiler } from "./compiler.ts";
import { attachmentByEndpoint } from "./policy_records.ts";
import { ruleTextOf } from "./rule_texts.ts";

/** What a trace works with. */
export interface TraceDeps extends HostView {
  readonly policies: Pick<PolicyEnforcer, "compiled" | "tables" | "kubePolicies">;
  readonly switch: Pick<Switch, "ports">;
  readonly fabric: Pick<FabricSync, "uplink">;
  readonly tags: Pick<LocalTags, "tagOf">;
}

/** One end of the path: a pod's attachment, or an address of which nothing else is known. */
export interface End {
  readonly address: string;
  readonly attachment?: AttachmentRecord;
  readonly id?: string;
}

const CLIENT_PORT = 40_000;
/** Stands for the next hop to an address that is not a pod's. */
const NEXT_HOP = "02:00:00:00:00:01";

/**
 * Traces through both. Pods without a common network cannot communicate, whatever the policies say: that is
 * an answer, too. Faults: not_found, where no such pod is attached, or neither pod is on this host; usage.
 */
export async function tracePacket(deps: TraceDeps, request: TraceRequest): Promise<TraceAnswer> {
  const { from, to } = endsOf(deps, request);
  const names = { source: nameOf(from), destination: nameOf(to) };
  const by = whyApart(deps.store.documents, from, to);
  if (by !== undefined) {
    return { ...names, model: { isAllowed: false, by }, isApart: true, isAgreed: true };
  }
  const compiler = await deps.policies.compiled() ?? new Compiler();
  const packet = packetOf(request, from, to);
  const model = wordOf(deps, verdictOf(compiler.model, packet));
  const directions = directionsHere(deps, from, to);
  if (directions.length === 0) throw elsewhere(from, to);
  const flow = await flowOf(deps, request, { from, to });
  if (flow === undefined) return { ...names, model, isAgreed: true };
  const expected = verdictOf(compiler.model, packet, directions);
  const numbers = compiler.flows.policies;
  const text = await deps.policies.tables.trace(flow);
  const seen = wordOfTrace(text, (number) => numbers.get(number)?.policy);
  const isAgreed = seen.isAllowed === expected.isAllowed;
  return {
    ...names,
    ...{ model, isAgreed },
    switch: { ...seen, directions, ...otherHostOf(directions, from, to) },
  };
}

/** Returns the host that decides the direction that this one does not. */
function otherHostOf(directions: readonly Direction[], from: End, to: End) {
  if (directions.length === 2) return {};
  const otherHost = (directions[0] === "out" ? to : from).attachment?.host;
  return otherHost === undefined ? {} : { otherHost };
}

/** Returns the packet for the policies' model. */
export function packetOf({ protocol, port }: TraceRequest, from: End, to: End): Packet {
  return {
    ...from.id === undefined ? {} : { from: from.id },
    ...to.id === undefined ? {} : { to: to.id },
    source: parseAddress(from.address),
    destination: parseAddress(to.address),
    protocol: PROTOCOLS[protocol],
    ...protocol === "icmp" ? {} : { sourcePort: CLIENT_PORT, destinationPort: port },
  };
}

function directionsHere({ host }: HostView, from: End, to: End): Direction[] {
  return [
    ...from.attachment?.host === host ? ["out" as const] : [],
    ...to.attachment?.host === host ? ["in" as const] : [],
  ];
}

/**
 * Of several interfaces the two that share a network are meant. An address that is not in the other end's
 * network is one from outside, which a router leads to; one of the two ends is a pod.
 */
function endsOf(view: HostView, { source, destination }: TraceRequest): { from: End; to: End } {
  const [sources, destinations] = [findEnds(view, source), findEnds(view, destination)];
  for (const from of sources) {
    const to = destinations.find((one) => isSameNetwork(from, one));
    if (to) return { from, to };
  }
  const [from, to] = [sources[0], destinations[0]];
  if (from && isAddress(destination)) return { from, to: outside(destination) };
  if (to && isAddress(source)) return { from: outside(source), to };
  if (!from) throw unknown(source);
  if (!to) throw unknown(destination);
  return { from, to };
}

/** Reports whether a word is an IPv4 address, and not a pod's name. */
export function isAddress(text: string): boolean {
  return /^[\d.]+$/.test(text);
}

function outside(text: string): End {
  return { address: addressToText(parseAddress(text)) };
}

/** Returns the attachments with that name or address. */
export function findEnds({ store: { documents } }: HostView, name: string): End[] {
  const attachments = attachmentByEndpoint(documents);
  return endpointsOf(documents).flatMap((record: EndpointRecord): End[] => {
    const { tenant, network, container } = record;
    const id = keys.endpoint(tenant, network, container);
    const attachment = attachments.get(id);
    if (!attachment) return [];
    const address = bareAddress(attachment.addresses[0] ?? record.address);
    const { pod } = attachment;
    const names = [pod.name, `${pod.namespace}/${pod.name}`, `${tenant}/${network}/${container}`];
    return [...names, address].includes(name) ? [{ address, attachment, id }] : [];
  });
}

/** Returns why two pods cannot communicate, whatever the policies say, `SHORT: LONG`; undefined if nothing is known. */
function whyApart(documents: Documents, from: End, to: End): string | undefined {
  if (!from.attachment || !to.attachment) return undefined;
  if (!isSameNetwork(from, to)) {
    return `no common network: one is in ${networkOf(from)}, the other in ${networkOf(to)}`;
  }
  const hosts = [from.attachment.host, to.attachment.host];
  const isTunnelled = findNetwork(documents, from.attachment)?.encap === "vxlan";
  if (hosts[0] === hosts[1] || !isTunnelled) return undefined;
  const lost = hosts.find((host) =>
    readableAt<HostRecord>(documents, keys.host(host))?.vtepIp === undefined
  );
  return lost &&
    `no tunnel between their hosts: ${lost} has no VtepIp in the intent; add it to Hosts`;
}

function isSameNetwork({ attachment: a }: End, { attachment: b }: End): boolean {
  return a?.tenant === b?.tenant && a?.network === b?.network;
}

/**
 * Returns the packet in ovs-ofctl's syntax, as it enters this host's bridge; undefined where it cannot. `nextHop` is
 * the MAC of a gateway that it is sent to.
 */
export async function flowOf(
  deps: TraceDeps,
  { protocol, port }: TraceRequest,
  { from, to, nextHop }: { readonly from: End; readonly to: End; readonly nextHop?: string },
): Promise<string | undefined> {
  const entry = await entryOf(deps, from, to);
  if (entry === undefined) return undefined;
  const ports = {
    tcp: `tcp_src=${CLIENT_PORT},tcp_dst=${port},tcp_flags=syn`,
    udp: `udp_src=${CLIENT_PORT},udp_dst=${port}`,
    icmp: "icmp_type=8,icmp_code=0",
  };
  return [
    entry,
    protocol,
    `dl_src=${from.attachment?.mac ?? NEXT_HOP},dl_dst=${
      nextHop ?? to.attachment?.mac ?? NEXT_HOP
    }`,
    `nw_src=${from.address},nw_dst=${to.address},nw_ttl=64`,
    ports[protocol],
  ].join(",");
}

async function entryOf(deps: TraceDeps, from: End, to: End): Promise<string | undefined> {
  const { host, store: { documents }, fabric, tags } = deps;
  if (from.attachment?.host === host) {
    const name = hostEndOf(from.attachment);
    const row = (await deps.switch.ports()).find((one) => one.name === name);
    if (row?.ofport !== undefined) return `in_port=${row.ofport}`;
    throw new Fault("not_found", `${nameOf(from)} has no port on this host's bridge`, {
      fix: "see k8contivnet get attachments",
    });
  }
  const network = to.attachment && findNetwork(documents, to.attachment);
  const trunk = network?.encap === "vxlan" ? PATCH_ON_INTEGRATION : fabric.uplink;
  const tag = network && tags.tagOf(documents, network);
  if (tag !== undefined && trunk) return `in_port=${trunk},dl_vlan=${tag}`;
  // Without an uplink nothing from outside comes in.
  if (!from.attachment) return undefined;
  throw elsewhere(from, to);
}

/** Reads from the output of `ofproto/trace` where the packet's path ends. */
export function wordOfTrace(
  text: string,
  policyOf: (number: number) => string | undefined,
): TraceWord {
  const steps = [...text.matchAll(/^ *(\d+)\. (.*)$/gm)].map(([, table, words = ""]) => ({
    table: Number(table),
    words,
  }));
  const denied = steps.find(({ table }) => table === 31);
  if (denied) {
    const number = /reg5=(0x[0-9a-f]+)/.exec(denied.words)?.[1];
    const policy = number === undefined ? undefined : policyOf(Number(number));
    return { isAllowed: false, by: policy ? `policy ${policy}` : "its policy tables" };
  }
  // Behind ct() the rest is traced, too: what counts is what the datapath does in the end.
  const last = [...text.matchAll(/^Datapath actions: (.*)$/gm)].at(-1)?.[1];
  const isForwarded = /^ *NORMAL$/m.test(text) || (last !== undefined && last !== "drop");
  const step = steps.at(-1);
  const by = step ? `table ${step.table}, ${step.words}` : "no flow";
  return { isAllowed: isForwarded, by: isForwarded ? "its flows" : oneLine(by, 80) };
}

/** Returns a verdict of the policies in words. */
export function wordOf(
  { store: { documents }, policies: { kubePolicies } }: Pick<TraceDeps, "store" | "policies">,
  { isAllowed, rule }: Verdict,
): TraceWord {
  if (!rule) return { isAllowed, by: "no policy speaks of it" };
  const text = ruleTextOf({ documents, kubePolicies }, rule);
  return {
    ...{ isAllowed, by: `${rule.label} of ${rule.tier} policy ${rule.policy}` },
    ...text === undefined ? {} : { rule: text },
  };
}

/** Returns an end for people. */
export function nameOf({ attachment, address }: End): string {
  if (!attachment) return address;
  return `${attachment.pod.namespace}/${attachment.pod.name} (${address})`;
}

function networkOf({ attachment }: End): string {
  return attachment ? `${attachment.tenant}/${attachment.network}` : "none";
}

function unknown(name: string): Fault {
  const fix = "give NAMESPACE/NAME or an address, see k8contivnet get attachments";
  return new UnknownPod(`no attached pod is "${oneLine(name, 60)}"`, fix);
}

/** Returns the fault where neither end is on this host. */
export function elsewhere(from: End, to: End): Fault {
  const hosts = [from, to].flatMap(({ attachment }) => attachment?.host ?? []);
  const [first, second] = [...new Set(hosts)];
  return new Fault("not_found", "this host's switch has no part in it", {
    why: `the pods are on ${second === undefined ? first : `${first} and ${second}`}`,
    fix: `run k8contivnet trace on ${second ?? first}, which decides what may arrive`,
  });
}
