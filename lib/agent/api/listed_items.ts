// Items of an agent's lists.

import type { AttachmentState } from "../../intent/records.ts";

/** An item of GET /v1/attachments. */
export interface AttachmentItem {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly host: string;
  readonly sandbox: string;
  readonly interface: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** The address by which its host's stack knows the pod; only in an aliased network. */
  readonly alias?: string;
  /** Access tag on this host; 0 without a port. */
  readonly vlan: number;
  readonly state: AttachmentState | "unmatched";
  readonly reason: string;
}

/** An item of GET /v1/pods: a pod and its networks. */
export interface PodItem {
  readonly namespace: string;
  readonly name: string;
  /** `tenant/network` of each interface; empty for a pod without a network. */
  readonly networks: readonly string[];
  /** Without prefix length, in the order of the networks. */
  readonly ips: readonly string[];
  readonly node: string;
}

/** An item of GET /v1/events: something that happened on this host. */
export interface EventItem {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** attach, detach, repair, drop, store, … */
  readonly kind: string;
  readonly host: string;
  /** `namespace/name` */
  readonly pod?: string;
  /** `namespace/name` of the other pod, of a packet that a policy of `pod` dropped. */
  readonly peer?: string;
  /** `tenant/network` */
  readonly network?: string;
  readonly address?: string;
  /** How long it took. */
  readonly ms?: number;
  readonly message: string;
}
