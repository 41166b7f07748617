// What the agent needs of Linux links: veth pairs between this namespace and a sandbox's. This room knows links
// only; their alias says whose they are. Two drivers: netlink/ (through libc, some ten times faster) and
// iproute/ (through `ip`, works everywhere).

/** One veth pair: the host end in this namespace, the pod end in a sandbox's. */
export interface PairSpec {
  /** Name in this namespace, at most 15 characters. */
  readonly hostEnd: string;
  /** Identifies the owner; begins with the prefix of openLinks(), cut at 255 characters. */
  readonly alias: string;
  /** Absolute path of the sandbox's namespace: `/run/netns/NAME`, `/proc/PID/ns/net`. */
  readonly netns: string;
  /** Inode number of that namespace: the process id in its path may belong to another process by now. */
  readonly netnsInode: number;
  /** Name of the pod end inside the sandbox. */
  readonly interface: string;
  /** MAC address of the pod end, `02:02:0b:01:00:02`. */
  readonly mac: string;
  /** MTU of both ends, in bytes. */
  readonly mtu: number;
  /** IPv4 addresses of the pod end with prefix length, `11.1.0.2/24`. */
  readonly addresses: readonly string[];
  /** Next hop of the sandbox's default route; without it, no default route is added. */
  readonly gateway?: string | undefined;
  /** Next hop that ensurePodSide() removes the default route of, if that leads through this interface. */
  readonly formerGateway?: string | undefined;
  /**
   * False: the pod end computes its checksums in software, as Open vSwitch's userspace datapath needs. True: the
   * kernel's default.
   */
  readonly checksumOffload: boolean;
}

/** One of our links in this namespace. */
export interface HostEnd {
  readonly name: string;
  /** Empty if the creation of the pair was interrupted; ensurePodSide() completes it. */
  readonly alias: string;
  /** Administratively up (IFF_UP); says nothing about the other end. */
  readonly isUp: boolean;
  readonly mtu: number;
}

/** One link inside a sandbox, whether we created it or not. */
export interface PodLink {
  readonly name: string;
  /** Empty for a link without a MAC address. */
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** IPv4 addresses with prefix length. */
  readonly addresses: readonly string[];
}

/** Creates, repairs, lists and removes pairs. All calls may be repeated and may run concurrently. */
export interface Links {
  /** Which driver was opened. */
  readonly driver: "netlink" | "ip";

  /**
   * Creates the pair of `spec`, both ends up, with addresses and routes, or leaves nothing behind. Faults: usage
   * (a value is not valid), conflict (a name is taken, or the sandbox has another default route), not_found (the
   * sandbox is gone, or another one is at its place), unavailable, timeout, failed.
   */
  createPair(spec: PairSpec): Promise<void>;

  /**
   * Repairs both ends of the existing pair of `spec`, and completes one whose creation was interrupted. Addresses
   * that `spec` does not name stay. Faults: as createPair(); conflict also when the two names are not a pair:
   * remove the host end and create the pair again.
   */
  ensurePodSide(spec: PairSpec): Promise<void>;

  /**
   * Removes links of ours, all in one step; one that does not exist is success. Faults: conflict, when a link is
   * not ours (it stays; all others are removed).
   */
  removeLinks(hostEnds: readonly string[]): Promise<void>;

  /** Returns our links in this namespace. */
  hostEnds(): Promise<HostEnd[]>;

  /**
   * Returns all links of a sandbox except the loopback. Faults: not_found, also when `netnsInode` is given and
   * another namespace is at the path.
   */
  podLinks(netns: string, netnsInode?: number): Promise<PodLink[]>;

  /**
   * Returns the next hops of a sandbox's default routes, IPv4, in any table: source-based routing moves them.
   * Faults: as podLinks().
   */
  podGateways(netns: string, netnsInode?: number): Promise<string[]>;

  /**
   * Returns the MTUs of the links in this namespace that have one of these IPv4 addresses, each link once. Asks the
   * kernel as often for thousands of addresses as for one.
   */
  linkMtus(addresses: readonly string[]): Promise<number[]>;

  /** Returns the names of the links in this namespace that a default route uses, IPv4 or IPv6. */
  defaultRouteLinks(): Promise<string[]>;

  /** Closes what the driver holds open. */
  close(): void;
}
