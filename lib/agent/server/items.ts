// Records as items of `get`. Pure.

import type { AttachmentRecord, EndpointRecord } from "../../intent/records.ts";
import type { AttachmentItem } from "../api/listed_items.ts";
import type { PodRequest } from "../api/pod_requests.ts";

/** Returns an attachment as an item; `vlan` is its access tag on this host. */
export function attachmentItem(one: AttachmentRecord, vlan: number): AttachmentItem {
  const { tenant, network, endpoint, pod, host, sandbox, addresses, mac, state } = one;
  return {
    tenant,
    network,
    endpoint,
    pod,
    host,
    sandbox,
    interface: one.interface,
    addresses,
    mac,
    ...one.alias === undefined ? {} : { alias: one.alias },
    vlan,
    state,
    reason: one.reason ?? "",
  };
}

/** Returns a pod without a network as an item. */
export function unmatchedItem(host: string, pod: PodRequest, reason: string): AttachmentItem {
  return {
    tenant: "",
    network: "",
    endpoint: "",
    pod: { namespace: pod.namespace, name: pod.name },
    host,
    sandbox: pod.sandbox,
    interface: "",
    addresses: [],
    mac: "",
    vlan: 0,
    state: "unmatched",
    reason,
  };
}

/** An item of `get endpoints`. */
export interface EndpointItem {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly namespace: string;
  readonly address: string;
  /** Host that it is pinned to; empty when none. */
  readonly host: string;
  /** Host that it is bound to; empty when none. */
  readonly boundTo: string;
  readonly generation: number;
  /** Why its pod is here; empty if the intent names it. */
  readonly rule: string;
  /** Whose policies protect it; empty when none. */
  readonly group: string;
  /** Absent if it has none. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Returns an endpoint as an item. */
export function endpointItem(one: EndpointRecord): EndpointItem {
  return {
    tenant: one.tenant,
    network: one.network,
    endpoint: one.container,
    namespace: one.namespace ?? "",
    address: one.address,
    host: one.pin?.host ?? one.host ?? "",
    boundTo: one.bound?.host ?? "",
    generation: one.bound?.generation ?? 0,
    rule: one.dynamic?.rule ?? "",
    group: one.group ?? "",
    ...one.labels ? { labels: one.labels } : {},
  };
}
