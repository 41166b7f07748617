// What a plan means for running pods, host by host: which are cut off and for how long, which belong on another
// host from now on, and which get an interface. Pure.

import type { IntentChange } from "./intent_changes.ts";
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

/** One pod that a plan concerns. */
export interface PodImpact {
  /** `namespace/name` */
  readonly pod: string;
  /** `tenant/network/container` */
  readonly endpoint: string;
  readonly why: string;
  /** For how long, or until when; absent if nothing is cut off. */
  readonly until?: string;
}

/** What a plan means for the pods of a host. */
export interface HostImpact {
  /** Pods that keep running here, and whose endpoint belongs on another host, or was moved here. */
  readonly moves: PodImpact[];
  /** Pods that lose an interface, or whose traffic is interrupted. */
  readonly cuts: PodImpact[];
  /** Pods that get an interface: now if they wait for one, else at their set-up. */
  readonly attaches: PodImpact[];
}

/** A pod that runs without a network and waits for an endpoint. */
export interface WaitingPod {
  readonly host: string;
  readonly namespace: string;
  readonly name: string;
}

/** Returns the impact by host label; a host without any is left out. */
export function planImpact(
  documents: Documents,
  changes: readonly IntentChange[],
  waiting: readonly WaitingPod[] = [],
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
  for (const change of changes) {
    if (change.kind === "endpoint") {
      endpointImpact(change, {
        on,
        pods: byEndpoint.get(`endpoints/${change.key}`) ?? [],
        waiting,
      });
    }
    if (change.kind === "network" && change.op === "delete") {
      const left = attachments.filter((one) =>
        networkKeyOf(one) === `networks/${change.key}` && !documents.has(endpointKeyOf(one))
      );
      for (const one of left) on(one.host).cuts.push(cutOff(one, "its network is deleted"));
    }
    if (change.kind === "host") {
      hostImpact(documents, change, { on, pods: byHost.get(change.key) ?? [] });
    }
  }
  return Object.fromEntries([...hosts].sort(([a], [b]) => a < b ? -1 : 1));
}

interface Parts {
  readonly on: (host: string) => HostImpact;
  /** Attachments of the changed object. */
  readonly pods: readonly AttachmentRecord[];
}

function endpointImpact(
  { key, op, before, after }: IntentChange,
  { on, pods, waiting }: Parts & { readonly waiting: readonly WaitingPod[] },
): void {
  const [had, has] = [before as EndpointRecord | undefined, after as EndpointRecord | undefined];
  if (op === "delete") {
    for (const one of pods) on(one.host).cuts.push(cutOff(one, "its endpoint is deleted"));
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
      });
    }
    if (home && ready.length === 0) on(home).attaches.push(atSetup(has, key));
    return;
  }
  const moved = home && had && hostOf(had) !== home ? pods.filter(({ host }) => host !== home) : [];
  for (const one of moved) {
    const pod = podOf(one);
    on(one.host).moves.push({ pod, endpoint: key, why: `it stays until it is set up on ${home}` });
    on(home!).moves.push({ pod, endpoint: key, why: `it comes from ${one.host} with its set-up` });
  }
}

/** Another uplink or tunnel address: traffic that leaves the host is interrupted until the agent has changed it. */
function hostImpact(
  documents: Documents,
  { key, op, before, after }: IntentChange,
  { on, pods }: Parts,
): void {
  if (op === "create") return;
  const [had, has] = [before as HostRecord | undefined, after as HostRecord | undefined];
  const encaps = [
    ...had?.intf !== has?.intf ? [["vlan", `uplink ${words(had?.intf, has?.intf)}`]] : [],
    ...had?.vtepIp !== has?.vtepIp
      ? [["vxlan", `tunnel address ${words(had?.vtepIp, has?.vtepIp)}`]]
      : [],
  ];
  for (const [encap, why = ""] of encaps) {
    for (const one of pods) {
      const network = documents.get(keys.network(one.tenant, one.network))?.value as
        | NetworkRecord
        | undefined;
      if (network?.encap !== encap) continue;
      const until = has
        ? `towards other hosts, until ${key} has changed it`
        : "towards other hosts";
      on(key).cuts.push({ pod: podOf(one), endpoint: nameOf(one), why, until });
    }
  }
}

function words(had: string | undefined, has: string | undefined): string {
  return `${had ?? "none"} → ${has ?? "none"}`;
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
