// The stored documents: what each key below the store's prefix holds, and how keys are spelled.
// Every document has a field `schema`; unknown fields are kept.

import type { LabelSelector } from "../util/label_selectors.ts";

/** Schema version that is written. */
export const SCHEMA = 1;

/** How a network's frames are marked on the wire. */
export type Encap = "vlan" | "vxlan";

/** Which router has a network's `DefaultGw`: one of the fabric, or every host. */
export type GatewayType = "external" | "distributed";

/** All words for what pods of a network may reach beyond it, or (`ports`) who may come in to them. */
export const REACH_WORDS = ["host", "services", "outside", "ports"] as const;

/** One of these words. */
export type ReachWord = typeof REACH_WORDS[number];

/** How a network is connected; in a tenant, for those of its networks that do not say. */
export interface ReachFields {
  readonly gatewayType?: GatewayType;
  /** Each once, in the order of REACH_WORDS. */
  readonly reach?: readonly ReachWord[];
  /** Networks that hosts route to: `network` of the same tenant, or `tenant/network`. */
  readonly reachNetworks?: readonly string[];
  /** False: the fabric routes the subnet, so packets leave a host with the pod's own address. */
  readonly natOutgoing?: boolean;
}

/** Who chose a tag, subnet or address: the user's intent, or the allocator. */
export type ChosenBy = "intent" | "pool";

/** `hosts/<host>`: a minion as the intent names it. */
export interface HostRecord {
  readonly schema: number;
  readonly name: string;
  /** Uplink device to the VLAN fabric. */
  readonly intf?: string;
  /** Tunnel address. */
  readonly vtepIp?: string;
  readonly netId?: string;
}

/** `clusters/settings`: what holds for all hosts and networks. What a file leaves out is kept. */
export interface ClusterRecord {
  readonly schema: number;
  /** CIDR of the addresses of hosts and of aliases; lib/ipam/host_range.ts. */
  readonly hostRange?: string;
  /** CIDRs in which services have their addresses. */
  readonly serviceCidrs?: readonly string[];
}

/** `hostnumbers/<host>`: the host's place in the host range. */
export interface HostNumberRecord {
  readonly schema: number;
  readonly host: string;
  /** From 1 on; claimed by `claims/host/<number>`. */
  readonly number: number;
}

/** `tenants/<t>` */
export interface TenantRecord extends ReachFields {
  readonly schema: number;
  readonly name: string;
  readonly defaultNetType: Encap;
  /** CIDR with host bits zero. */
  readonly subnetPool: string;
  /** Prefix length of a subnet that is cut from the pool. */
  readonly allocSubnetLen: number;
  /** Comma list of inclusive ranges `min-max`, normalised without blanks. */
  readonly vlans?: string;
  /** One inclusive range `min-max` of VNIs. */
  readonly vxlans?: string;
  /** Kubernetes namespaces whose pods this tenant serves; absent means only `default`. */
  readonly namespaces?: readonly string[];
  /** contiv groups and policies, kept as read. */
  readonly groups?: readonly Readonly<Record<string, unknown>>[];
  readonly policies?: readonly Readonly<Record<string, unknown>>[];
}

/** `networks/<t>/<n>`: one L2 segment. */
export interface NetworkRecord extends ReachFields {
  readonly schema: number;
  readonly tenant: string;
  readonly name: string;
  /** Free text on one line, for people. */
  readonly description?: string;
  readonly encap: Encap;
  /** VLAN id (1–4094) for vlan, VNI (1–16777215) for vxlan. */
  readonly tag: number;
  readonly tagBy: ChosenBy;
  /** CIDR with host bits zero. */
  readonly subnet: string;
  readonly subnetBy: ChosenBy;
  readonly gateway?: string;
  /** Serves the tenant's pods that name no network and that no selector takes. */
  readonly default?: boolean;
  readonly namespaces?: readonly string[];
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  /** Seconds for which the address of a deleted pod, without an endpoint of its own, is held for its return. */
  readonly holdAddress?: number;
  /** Bytes; overrides the measured one. */
  readonly mtu?: number;
  /** Addresses that are never allocated: single ones or inclusive ranges `first-last`. */
  readonly reserve?: readonly string[];
  /** The only addresses to choose from, inclusive `first-last`. */
  readonly allocRange?: string;
  /** Only with a distributed gateway: the network has its subnet in every host's stack. Exclusive with the next. */
  readonly owner?: true;
  /** Only with a distributed gateway: `tenant/network` that owns an overlapping subnet there. */
  readonly aliasedBecause?: string;
}

/** `endpoints/<t>/<n>/<c>`: a place for one pod interface. */
export interface EndpointRecord {
  readonly schema: number;
  readonly tenant: string;
  readonly network: string;
  /** The pod's name (the original's key `Container`). */
  readonly container: string;
  /** Kubernetes namespace that the pod must be in. */
  readonly namespace?: string;
  /** Host that the intent names: a pin. */
  readonly host?: string;
  /** Id of the container to plumb when it is not the one called `container` (`AttachUUID`). */
  readonly attachUuid?: string;
  /** Pin by `bind` or `-host-bindings-cfg`; beats `host` and `attachUuid`, survives `apply`. */
  readonly pin?: { readonly host: string; readonly attachUuid?: string };
  /** Where `setup` last put it, and how often it has moved. */
  readonly bound?: { readonly host: string; readonly generation: number };
  readonly address: string;
  readonly addressBy: ChosenBy;
  readonly mac?: string;
  /** Interface name in the pod. */
  readonly interface?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly group?: string;
  /** Only where a set-up, and no intent, made it: for one pod; it is deleted with that pod. */
  readonly dynamic?: Dynamic;
}

/** Facts about an endpoint that a set-up made. */
export interface Dynamic {
  /** The pod's name; its namespace is the endpoint's. */
  readonly pod: string;
  /** Why the pod got this network, for people. */
  readonly rule: string;
  /** Only while its pod is gone and may come back: since when, in milliseconds of the epoch. */
  readonly heldSince?: number;
}

/** `claims/…`: a key that exists once per taken number; `owner` is the owning record's key. */
export interface ClaimRecord {
  readonly schema: number;
  readonly owner: string;
}

/** `subnets/<t>`: all subnets of a tenant, network name by CIDR; checked by each commit that adds or removes one. */
export interface SubnetsRecord {
  readonly schema: number;
  readonly networks: Readonly<Record<string, string>>;
}

/**
 * `owners/subnets`: the subnets in the hosts' stacks, which do not overlap: `tenant/network` by CIDR; checked
 * by each commit that adds or removes one.
 */
export type OwnersRecord = SubnetsRecord;

/**
 * `arrivals/<t>/<n>`: the endpoint that was the last to take an address in a network. Written without a
 * check by each commit that adds one, so that these do not conflict; checked when the network changes or goes.
 */
export interface ArrivalRecord {
  readonly schema: number;
  readonly endpoint: string;
}

/** State of an attachment. */
export type AttachmentState = "planned" | "ready" | "failed";

/** `attachments/<host>/<sandbox>/<if>`: one endpoint realised in one sandbox. */
export interface AttachmentRecord {
  readonly schema: number;
  /** 11 hex digits; part of the host end's link name. */
  readonly id: string;
  readonly host: string;
  readonly tenant: string;
  readonly network: string;
  /** The endpoint's container name. */
  readonly endpoint: string;
  readonly pod: { readonly namespace: string; readonly name: string };
  /** The pod's UID, where the runtime or the API server reported it: a later pod of that name has another. */
  readonly podUid?: string;
  /** Infra container id. */
  readonly sandbox: string;
  /** Path of the network namespace, and its inode number. */
  readonly netns: string;
  readonly netnsInode: number;
  /** Only where the path leads over a process id: when that process started, in clock ticks. */
  readonly startTime?: number;
  readonly interface: string;
  /** Name of its warm port; absent where it has a port of its own, which is called by `id`. */
  readonly port?: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  readonly gateway?: string;
  readonly mac: string;
  readonly mtu: number;
  /** Only in an aliased network: the address by which its host's stack knows the pod. */
  readonly alias?: string;
  readonly generation: number;
  readonly state: AttachmentState;
  readonly reason?: string;
  /** Only if a CNI runtime asked for it: the names by which that runtime deletes it. */
  readonly cni?: CniNames;
}

/** How a CNI runtime names an attachment, beside its container (the sandbox). */
export interface CniNames {
  /** Name of the network configuration. */
  readonly network: string;
  /** CNI_IFNAME; the interface has another name if a plugin before ours made one with this name. */
  readonly ifname: string;
}

/** `reports/<host>`: what the doctor last found there; only in a store that hosts share. */
export interface ReportRecord {
  readonly schema: number;
  readonly host: string;
  /** By that host's clock, ISO 8601. */
  readonly at: string;
  readonly version: string;
  /** How many checks found nothing wrong. */
  readonly passed: number;
  /** What is wrong. */
  readonly checks: readonly {
    readonly id: string;
    readonly group: string;
    readonly state: "ok" | "warning" | "failed";
    readonly message: string;
    readonly fix?: string;
  }[];
}

/** `agents/<host>`: which agent has a host label, written with each heartbeat. */
export interface PresenceRecord {
  readonly schema: number;
  readonly host: string;
  /** Id of the agent's state folder. */
  readonly instance: string;
  readonly version: string;
  /** Heartbeat counter; where it does not change, the agent is silent. */
  readonly beat: number;
  /** Bytes that the host's tunnel link carries. */
  readonly mtu?: number;
  /** Highest schema version that it reads: a newer schema is written once all hosts read it. */
  readonly reads?: number;
  /** Which indexes (store_index.ts) its commits write; absent from agents that write none. */
  readonly indexes?: number;
  /** When this was written, by that host's clock: for people, never compared. ISO 8601, UTC. */
  readonly at?: string;
  /** Milliseconds until the next heartbeat. */
  readonly everyMs?: number;
  /** Only where an operator has removed the host, and no agent of it has written since. */
  readonly lost?: boolean;
}

/** Folder of the requests of running applies that are too long for their revision's record. */
export const REQUESTS = "requests/";

/** Keys of the documents. A name in a key has passed isName, so it contains no slash. */
export const keys = {
  host: (host: string) => `hosts/${host}`,
  tenant: (tenant: string) => `tenants/${tenant}`,
  network: (tenant: string, network: string) => `networks/${tenant}/${network}`,
  endpoint: (tenant: string, network: string, container: string) =>
    `endpoints/${tenant}/${network}/${container}`,
  vlanClaim: (id: number) => `claims/vlan/${id}`,
  vniClaim: (id: number) => `claims/vni/${id}`,
  /** The CIDR's slash becomes `_`, as keys are split at slashes. */
  subnetClaim: (tenant: string, cidr: string) =>
    `claims/subnet/${tenant}/${cidr.replace("/", "_")}`,
  addressClaim: (tenant: string, network: string, address: string) =>
    `claims/ip/${tenant}/${network}/${address}`,
  subnets: (tenant: string) => `subnets/${tenant}`,
  owners: "owners/subnets",
  cluster: "clusters/settings",
  hostNumber: (host: string) => `hostnumbers/${host}`,
  hostNumberClaim: (number: number) => `claims/host/${number}`,
  /** Written with each new endpoint; checked when the network's pool changes or the network is deleted. */
  arrival: (tenant: string, network: string) => `arrivals/${tenant}/${network}`,
  attachment: (host: string, sandbox: string, iface: string) =>
    `attachments/${host}/${sandbox}/${iface}`,
  presence: (host: string) => `agents/${host}`,
  report: (host: string) => `reports/${host}`,
  revision: (n: number) => `revisions/${String(n).padStart(9, "0")}`,
  /** What the revision changed. */
  revisionPart: (n: number, part: number) => `${keys.revision(n)}/${part}`,
  requestPart: (n: number, part: number) => `${REQUESTS}${String(n).padStart(9, "0")}/${part}`,
} as const;

/** A document of the store. */
export interface Document {
  readonly value: unknown;
  /** The store's revision at which it was last written. */
  readonly revision: number;
}

/** Documents of a store by key. */
export type Documents = ReadonlyMap<string, Document>;

/** Returns the check that the document at `key` is still as in `documents`: its revision, 0 if it is absent. */
export function checkOf(
  documents: Documents,
  key: string,
): { readonly key: string; readonly revision: number } {
  return { key, revision: documents.get(key)?.revision ?? 0 };
}
