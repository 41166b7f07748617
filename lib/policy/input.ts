// What policies speak of, as plain data: whoever knows a store or an API server fills it in.

import type { Labels, LabelSelector } from "../util/label_selectors.ts";

/** A named port of a pod's containers. */
export interface ContainerPort {
  readonly name: string;
  /** IP protocol number. */
  readonly protocol: number;
  readonly port: number;
}

/** A place on this host. */
export interface Here {
  readonly tag: number;
  readonly mac: string;
  /** Unique name of the network that has the tag. */
  readonly network?: string;
}

/** One address of one pod, in one network. */
export interface Endpoint {
  /** Unique. */
  readonly id: string;
  readonly tenant: string;
  /** IPv4 address as a number. */
  readonly address: number;
  /** Group of the tenant, by contiv's policies. */
  readonly group?: string | undefined;
  /** The pod that has it; absent while there is none: then no selector finds it. */
  readonly pod?: { readonly namespace: string; readonly name: string } | undefined;
  readonly labels: Labels;
  /** Nobody has told its pod's labels yet: then `labels` says little, and no selector of labels has it. */
  readonly isUntold?: boolean;
  readonly ports: readonly ContainerPort[];
  /** Where it is on this host; absent elsewhere. */
  readonly here?: Here | undefined;
}

/** A pod as the Kubernetes API tells it, as far as policies need it. */
export interface KubePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
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
  /** The other side; all absent: anybody. */
  readonly group?: string | undefined;
  readonly network?: string | undefined;
  /** An address or CIDR. */
  readonly block?: string | undefined;
  /** A name or an IP protocol number; absent: any. */
  readonly protocol?: string | undefined;
  /** Absent or 0: any. */
  readonly port?: number | undefined;
  readonly action: "allow" | "deny";
  /** What of it is not understood, as `has a field X`; then nothing else of it is sure. */
  readonly strange?: string;
}

/** in: to the subject; out: from it. */
export type Direction = "in" | "out";

/** What a tenant's intent says of policies. */
export interface TenantPolicies {
  readonly tenant: string;
  readonly groups: readonly { readonly name: string; readonly policies: readonly string[] }[];
  readonly policies: readonly { readonly name: string; readonly rules: readonly ContivRule[] }[];
  /** CIDR by network name. */
  readonly subnets: Readonly<Record<string, string>>;
}
