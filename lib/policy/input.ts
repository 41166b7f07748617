// What policies refer to, as plain data: filled in by the agent from the store and the API server.

import type { Labels, LabelSelector } from "../util/label_selectors.ts";

/** A named port of a pod's containers. */
export interface ContainerPort {
  readonly name: string;
  /** IP protocol number. */
  readonly protocol: number;
  readonly port: number;
}

/** An endpoint's port on this host. */
export interface Here {
  /** Access tag, 1–4094. */
  readonly tag: number;
  readonly mac: string;
  /** Unique name of the network that has the tag. */
  readonly network?: string;
  /** The network has a distributed gateway: what policies allow goes on in its tables. */
  readonly isDistributed?: boolean;
}

/** One address of one pod, in one network. */
export interface Endpoint {
  /** Unique. */
  readonly id: string;
  readonly tenant: string;
  /** `tenant/network`, where other networks may be routed to it. */
  readonly network?: string;
  /** Networks (`tenant/network`), also of other tenants, that its own is routed to. @default none */
  readonly routedTo?: readonly string[];
  /** IPv4 address as a number. */
  readonly address: number;
  /** Group of the tenant, by contiv's policies. */
  readonly group?: string | undefined;
  /** The pod that has it; absent while there is none: then no selector matches it. */
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
  readonly labels: Labels;
  /** Its pod's labels are not known yet: `labels` is then incomplete, and no label selector matches it. */
  readonly hasUnknownLabels?: boolean;
  readonly ports: readonly ContainerPort[];
  /** Its port on this host; absent where it is on another one. */
  readonly here?: Here | undefined;
}

/**
 * Reports whether rules that guard `subject` mean `peer` where they name pods: networks of different tenants may have
 * the same addresses, so only what its packets may come from or go to.
 */
export function isPeerOf(
  subject: Pick<Endpoint, "tenant" | "routedTo">,
  peer: Pick<Endpoint, "tenant" | "network">,
): boolean {
  if (peer.tenant === subject.tenant) return true;
  return peer.network !== undefined && (subject.routedTo?.includes(peer.network) ?? false);
}

/** A pod as the Kubernetes API reports it, as far as policies need it. */
export interface KubePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of a static pod: the UIDs by which a runtime knows it. */
  readonly runtimeUids?: readonly string[];
  readonly labels: Labels;
  readonly addresses: readonly string[];
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: KubeProtocol;
    readonly port: number;
  }[];
}

/** A Kubernetes namespace. */
export interface KubeNamespace {
  readonly name: string;
  readonly labels: Labels;
}

/** Protocols that Kubernetes knows. */
export type KubeProtocol = "TCP" | "UDP" | "SCTP";

/** `NetworkPolicy` of `networking.k8s.io/v1`: the names are the API's. */
export interface NetworkPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly podSelector: LabelSelector;
  readonly policyTypes?: readonly ("Ingress" | "Egress")[];
  readonly ingress?: readonly {
    readonly from?: readonly KubePeer[];
    readonly ports?: readonly KubePort[];
  }[];
  readonly egress?: readonly {
    readonly to?: readonly KubePeer[];
    readonly ports?: readonly KubePort[];
  }[];
}

/** `NetworkPolicyPeer`: either a block, or one or both selectors. */
export interface KubePeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
}

/** `NetworkPolicyPort` */
export interface KubePort {
  /** @default "TCP" */
  readonly protocol?: KubeProtocol;
  /** A number, or the name of a container's port. */
  readonly port?: number | string;
  readonly endPort?: number;
}

/** A rule of a contiv policy: contiv's fields, read. */
export interface ContivRule {
  readonly id: string;
  /** 1 to 100, the higher one wins. */
  readonly priority: number;
  readonly direction: Direction;
  /** The other side; all absent: any. */
  readonly group?: string | undefined;
  readonly network?: string | undefined;
  /** An address or CIDR. */
  readonly block?: string | undefined;
  /** A name or an IP protocol number; absent: any. */
  readonly protocol?: string | undefined;
  /** Absent or 0: any. */
  readonly port?: number | undefined;
  readonly action: "allow" | "deny";
  /** What of it is not understood, as `has a field X`; then nothing else of it is reliable. */
  readonly strange?: string;
}

/** in: to the subject; out: from it. */
export type Direction = "in" | "out";

/** Groups and policies of a tenant's intent. */
export interface TenantPolicies {
  readonly tenant: string;
  readonly groups: readonly { readonly name: string; readonly policies: readonly string[] }[];
  readonly policies: readonly { readonly name: string; readonly rules: readonly ContivRule[] }[];
  /** CIDR by network name. */
  readonly subnets: Readonly<Record<string, string>>;
}
