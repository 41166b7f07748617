// What a plan means for running pods, host by host: which are cut off and for how long, which belong on another
// host from now on, and which get an interface. Pure.

import type { IntentChange } from "./intent_changes.ts";
import { deletedKeys, type KeptEndpoint, keptEndpoints } from "./kept_endpoints.ts";
import { endpointKeyOf, networkKeyOf } from "./plan/stored.ts";
import { documentsIn, groups } from "./indexed_documents.ts";
import type {
  AttachmentRecord,
  Documents,
  EndpointRecord,
  HostRecord,
  NetworkRecord,
} from "./records.ts";
import { keys } from "./records.ts";

/** How long something lasts, about, and from where that is known. */
export interface Lasting {
  readonly seconds: number;
  readonly from: string;
}

/** One pod that a plan concerns. */
export interface PodImpact {
  /** `namespace/name` */
  readonly pod: string;
  /** `tenant/network/container` */
  readonly endpoint: string;
  readonly why: string;
  /** What is interrupted, and until when; absent if nothing is. */
  readonly until?: string;
  /** How long that takes; absent if it has no end by itself, or is not known. */
  readonly lasts?: Lasting;
}

/** What a plan means for the pods of a host. */
export interface HostImpact {
  /** Pods that keep running here, and whose endpoint belongs on another host, or was moved here. */
  readonly moves: PodImpact[];
  /** Pods that lose an interface, or whose traffic is interrupted. */
  readonly cuts: PodImpact[];
  /** Pods that get an interface: now if they wait for one, else at their set-up. */
  readonly attaches: PodImpact[];
  /** Pods that keep the endpoint that their set-up made, though another names them now; absent if none. */
  keeps?: PodImpact[];
}

/** A pod that runs without a network and waits for an endpoint. */
export interface WaitingPod {
  readonly host: string;
  readonly namespace: string;
  readonly name: string;
}

/** What is known besides the records. */
export interface ImpactFacts {
  /** Pods that run without a network. */
  readonly waiting?: readonly WaitingPod[];
  /** How long it takes to attach a pod. */
  readonly attach?: Lasting | undefined;
}

/** Returns the impact by host label; a host without any is left out. */
export function planImpact(
  documents: Documents,
  changes: readonly IntentChange[],
  { waiting = [], attach }: ImpactFacts = {},
): Record<string, HostImpact> {
  const hosts = new Map<string, HostImpact>();
  const on = (host: string): HostImpact => {
    const impact = hosts.get(host) ?? { moves: [], cuts: [], attaches: [] };
    hosts.set(host, impact);
    return impact;
  };
  const attachments = documentsIn<AttachmentRecord>(documents, groups.folder("attachments"))
    .map(([, one]) => one);
  const byEndpoint = Map.groupBy(attachments, endpointKeyOf);
  const byHost = Map.groupBy(attachments, ({ host }) => host);
  const readdressed = new Set(changes.filter(isReaddressed).map(({ key }) => key));
  for (const change of changes) {
    if (change.kind === "endpoint") {
      endpointImpact(change, {
        on,
        pods: byEndpoint.get(`endpoints/${change.key}`) ?? [],
        ...{ waiting, attach },
      });
    }
    if (change.kind === "network" && change.op === "delete") {
      const left = attachments.filter((one) =>
        networkKeyOf(one) === `networks/${change.key}` && !documents.has(endpointKeyOf(one))
      );
      for (const one of left) on(one.host).cuts.push(cutOff(one, "its network is deleted"));
    }
    if (change.kind === "network" && change.op === "update") {
      const pods = attachments.filter((one) =>
        networkKeyOf(one) === `networks/${change.key}` && !readdressed.has(nameOf(one))
      );
      networkImpact(change, { on, pods, attach });
    }
    if (change.kind === "host") {
      hostImpact(documents, change, { on, pods: byHost.get(change.key) ?? [] });
    }
  }
  for (const { host, ...kept } of keptEndpoints(documents, changes)) {
    (on(host).keeps ??= []).push(kept);
  }
  return Object.fromEntries([...hosts].sort(([a], [b]) => a < b ? -1 : 1));
}

/** What an apply does to running pods, in short; a part of it is absent where it concerns no pod. */
export interface ShortImpact {
  /** How many lose an interface, as their endpoint or its network is deleted. */
  readonly detached?: number;
  /** Those that keep the endpoint that their set-up made, though another names them now. */
  readonly kept?: readonly KeptEndpoint[];
}

/** Returns what `changes` do to running pods, in short. */
export function shortImpact(documents: Documents, changes: readonly IntentChange[]): ShortImpact {
  const kept = keptEndpoints(documents, changes);
  return { ...detachedBy(documents, changes), ...kept.length > 0 ? { kept } : {} };
}

function detachedBy(
  documents: Documents,
  changes: readonly IntentChange[],
): Pick<ShortImpact, "detached"> {
  const deleted = deletedKeys(changes);
  if (deleted.size === 0) return {};
  const detached = documentsIn<AttachmentRecord>(documents, groups.folder("attachments"))
    .filter(([, one]) => deleted.has(endpointKeyOf(one)) || deleted.has(networkKeyOf(one)));
  const pods = new Set(detached.map(([, { host, sandbox }]) => `${host}/${sandbox}`));
  return pods.size === 0 ? {} : { detached: pods.size };
}

interface Parts {
  readonly on: (host: string) => HostImpact;
  /** Attachments of the changed object. */
  readonly pods: readonly AttachmentRecord[];
}

function endpointImpact(
  change: IntentChange,
  { on, pods, waiting, attach }: Parts & {
    readonly waiting: readonly WaitingPod[];
    readonly attach: Lasting | undefined;
  },
): void {
  const { key, op } = change;
  const [had, has] = [change.before, change.after] as (EndpointRecord | undefined)[];
  if (op === "delete") {
    for (const one of pods) on(one.host).cuts.push(cutOff(one, "its endpoint is deleted"));
  }
  if (isReaddressed(change)) {
    const why = `its address ${had?.address} → ${has?.address}`;
    for (const one of pods) on(one.host).cuts.push(attachedAgain(one, why, attach));
  }
  if (!has) return;
  const home = hostOf(has);
  if (op === "create") {
    const ready = waiting.filter((pod) => isFor(has, pod) && (home ?? pod.host) === pod.host);
    for (const { host, namespace, name } of ready) {
      on(host).attaches.push({
        pod: `${namespace}/${name}`,
        endpoint: key,
        why: "it waits for it",
        ...attach && { lasts: attach },
      });
    }
    if (home && ready.length === 0) on(home).attaches.push(atSetup(has, key));
    return;
  }
  const moved = home && had && hostOf(had) !== home ? pods.filter(({ host }) => host !== home) : [];
  for (const one of moved) {
    const pod = podOf(one);
    on(one.host).moves.push({ pod, endpoint: key, why: `it stays until it is set up on ${home}` });
    on(home!).moves.push({
      ...{ pod, endpoint: key, why: `it comes from ${one.host} with its set-up` },
      ...attach && { until: "without a network until it is set up", lasts: attach },
    });
  }
}

/** Reports whether an endpoint's address changes. */
function isReaddressed({ before, after }: Pick<IntentChange, "before" | "after">): boolean {
  return before !== undefined && after !== undefined && "address" in before &&
    "address" in after && before.address !== after.address;
}

/** A subnet of another size: pods keep their address, and get another prefix length. */
function networkImpact(
  { before, after }: IntentChange,
  { on, pods, attach }: Parts & { readonly attach: Lasting | undefined },
): void {
  const [had, has] = [before, after].map((one) => (one as NetworkRecord).subnet);
  if (had?.split("/")[1] === has?.split("/")[1]) return;
  for (const one of pods) {
    on(one.host).cuts.push(attachedAgain(one, `its subnet ${had} → ${has}`, attach));
  }
}

// The longest of six measurements each, rounded up: 0.1 to 0.42 s and 0.04 to 0.22 s were lost between two hosts on one
// busy machine (tests/root/plan_impact_test.ts, Open vSwitch 3.1, userspace datapath, November 2026).
const FROM = "as measured between two hosts with the userspace datapath";
const UPLINK: Lasting = { seconds: 0.5, from: FROM };
const TUNNEL: Lasting = { seconds: 0.3, from: FROM };

/** Another uplink or tunnel address: traffic that leaves the host is interrupted until the agent has changed it. */
function hostImpact(
  documents: Documents,
  { key, op, before, after }: IntentChange,
  { on, pods }: Parts,
): void {
  if (op === "create") return;
  const [had, has] = [before as HostRecord | undefined, after as HostRecord | undefined];
  const encaps = [
    { encap: "vlan", what: "uplink", values: [had?.intf, has?.intf], lasts: UPLINK },
    { encap: "vxlan", what: "tunnel address", values: [had?.vtepIp, has?.vtepIp], lasts: TUNNEL },
  ].filter(({ values: [before, after] }) => before !== after);
  for (const { encap, what, values: [before, after], lasts } of encaps) {
    for (const one of pods) {
      const network = documents.get(keys.network(one.tenant, one.network))?.value as
        | NetworkRecord
        | undefined;
      if (network?.encap !== encap) continue;
      on(key).cuts.push({
        ...{ pod: podOf(one), endpoint: nameOf(one) },
        why: `${what} ${before ?? "none"} → ${after ?? "none"}`,
        ...after === undefined
          ? { until: "towards other hosts" }
          : { until: `towards other hosts, until ${key} has changed it`, lasts },
      });
    }
  }
}

/** The pod gets another address: it keeps its interface's name, and nothing else of its interface. */
function attachedAgain(one: AttachmentRecord, why: string, attach: Lasting | undefined): PodImpact {
  return {
    ...{ pod: podOf(one), endpoint: nameOf(one), why },
    until: "until it is attached again with the new one",
    ...attach && { lasts: attach },
  };
}

function cutOff(one: AttachmentRecord, why: string): PodImpact {
  return {
    pod: podOf(one),
    endpoint: nameOf(one),
    why,
    until: "until an endpoint or network is for it again",
  };
}

function atSetup({ namespace = "default", container }: EndpointRecord, key: string): PodImpact {
  return { pod: `${namespace}/${container}`, endpoint: key, why: "at its set-up" };
}

function isFor(endpoint: EndpointRecord, { namespace, name }: WaitingPod): boolean {
  return endpoint.container === name && (endpoint.namespace ?? namespace) === namespace;
}

function podOf({ pod }: AttachmentRecord): string {
  return `${pod.namespace}/${pod.name}`;
}

function nameOf({ tenant, network, endpoint }: AttachmentRecord): string {
  return `${tenant}/${network}/${endpoint}`;
}

function hostOf({ pin, host }: EndpointRecord): string | undefined {
  return pin?.host ?? host;
}
