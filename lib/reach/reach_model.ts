// What this host has to know to connect pods with more than their own network: itself, the other hosts, and
// the networks with a distributed gateway. Flows, routes and packet-filter rules are computed from it. Pure.
//
// Three addresses keep apart who sends: NODE is the source of the host's own processes (kubelet's probes),
// which policies always let through; NAT is the source of what the host forwards and masquerades, which
// meets them; an alias stands in this host's stack for a pod whose subnet belongs to another network there.

/** What a network's pods may reach, or (`ports`) who may come in to them. */
export type ReachWord = "host" | "services" | "outside" | "ports";

/** The addresses of one host. */
export interface ReachHost {
  readonly name: string;
  /** Bare IPv4 addresses, unique in the cluster. */
  readonly node: string;
  readonly nat: string;
  /** MAC of the gateway on that host: `02:02:` and the bytes of `node`. */
  readonly mac: string;
  /** Tunnel address; undefined for a host without one. */
  readonly vtep?: string | undefined;
}

/** A pod's interface on this host. */
export interface LocalPod {
  /** Bare IPv4 address. */
  readonly address: string;
  readonly mac: string;
  /** Only in an aliased network: addresses that stand for the pod in this host's stack. */
  readonly alias?: PodAlias | undefined;
}

/** The addresses by which this host's stack knows a pod of an aliased network. */
export interface PodAlias {
  readonly address: string;
  /** Source of a pod's packets to itself, through a service. */
  readonly hairpin: string;
}

/** A pod's interface on another host. */
export interface RemotePod {
  readonly address: string;
  readonly mac: string;
  /** Name of its host. */
  readonly host: string;
}

/** A network with a distributed gateway; each host has all of them. */
export interface ReachNetwork {
  /** `tenant/network` */
  readonly id: string;
  /** Access tag on this host, 1–4094. */
  readonly tag: number;
  /** VNI of a VXLAN network; undefined for a VLAN network, whose tag is the fabric's. */
  readonly vni?: number | undefined;
  /** CIDR with host bits zero. */
  readonly subnet: string;
  readonly gateway: string;
  /** Another network owns an overlapping subnet in the hosts' stacks: its name. Undefined for an owner. */
  readonly aliasedBecause?: string | undefined;
  readonly reach: ReadonlySet<ReachWord>;
  /** Networks (`tenant/network`) that the switch routes to; mutual. */
  readonly routedTo: readonly string[];
  /** False: the fabric routes the subnet, so that packets leave the host with the pod's own address. */
  readonly natOutgoing: boolean;
  /** Bytes that a pod of it may send. */
  readonly mtu: number;
  readonly local: readonly LocalPod[];
  readonly remote: readonly RemotePod[];
}

/** All of it, for one host. */
export interface ReachModel {
  readonly self: ReachHost;
  /** In the order of their names. */
  readonly others: readonly ReachHost[];
  /** In the order of their ids. */
  readonly networks: readonly ReachNetwork[];
  /** Where services have their addresses, CIDRs; with it, what counts as a service (node-local DNS). */
  readonly serviceCidrs: readonly string[];
  /** CIDR of the aliases and of the hairpin aliases. */
  readonly aliasRange: string;
}

/** Name of the internal port that connects the integration bridge with the host's stack. */
export const HOST_PORT = "contivHost";

/** Next hop of the host's routes to pods: never on a wire, its neighbour entry is permanent. */
export const NEXT_HOP = { address: "169.254.1.1", mac: "02:02:a9:fe:01:01" } as const;
