// What the agent needs of Linux links: pairs between this namespace and a sandbox's. Knows links
// only; whose they are is told by an alias. Two drivers do the work: netlink/ (through libc, some
// ten times quicker) and iproute/ (through `ip`, works everywhere).

/** One veth pair: the host end in this namespace, the pod end in a sandbox's. */
export interface PairSpec {
  /** Name in this namespace, at most 15 characters. */
  readonly hostEnd: string;
  /** Says whose link this is; begins with the prefix of openLinks(), cut at 255 characters. */
  readonly alias: string;
  /** Absolute path of the sandbox's namespace: `/run/netns/NAME`, `/proc/PID/ns/net`. */
  readonly netns: string;
  /** Inode number of that namespace: a process id may have been given to somebody else meanwhile. */
  readonly netnsInode: number;
  /** Name of the pod end inside the sandbox. */
  readonly interface: string;
  /** Of the pod end, `02:02:0b:01:00:02`. */
  readonly mac: string;
  /** Of both ends, in bytes. */
  readonly mtu: number;
  /** Of the pod end: IPv4 addresses with prefix length, `11.1.0.2/24`. */
  readonly addresses: readonly string[];
  /** Next hop of the sandbox's default route; no such route when absent. */
  readonly gateway?: string | undefined;
  /**
   * False: the pod end sums its own checksums, as Open vSwitch's userspace datapath needs. True:
   * left as it is.
   */
  readonly checksumOffload: boolean;
}

/** One of our links in this namespace. */
export interface HostEnd {
  readonly name: string;
  /** Empty where the making of a pair was cut off half way; ensurePodSide() finishes it. */
  readonly alias: string;
  /** Switched on; says nothing about the other end. */
  readonly isUp: boolean;
  readonly mtu: number;
}

/** One link inside a sandbox, ours or not. */
export interface PodLink {
  readonly name: string;
  /** Empty for a link without one. */
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  /** IPv4 addresses with prefix length. */
  readonly addresses: readonly string[];
}

/** Makes, repairs, finds and removes pairs. Any call may be repeated; calls may run side by side. */
export interface Links {
  /** Which driver was opened. */
  readonly driver: "netlink" | "ip";

  /**
   * Makes the pair of `spec`, both ends up, addresses and routes in place, or leaves nothing.
   * Faults: usage (a value that can be no such thing), conflict (a name is taken, or the sandbox
   * has another default route), not_found (the sandbox is gone or another), unavailable, timeout,
   * failed.
   */
  createPair(spec: PairSpec): Promise<void>;

  /**
   * Puts right what was changed by hand on the existing pair of `spec`, at both ends, and finishes
   * one that was cut off. Addresses that `spec` does not name stay. Faults: as createPair();
   * conflict also when the two names are no pair: remove the host end and make the pair again.
   */
  ensurePodSide(spec: PairSpec): Promise<void>;

  /**
   * Removes links of ours, all in one step; one that is not there is success. Faults: conflict
   * when a link is not ours (it stays; all others are gone).
   */
  removeLinks(hostEnds: readonly string[]): Promise<void>;

  /** Returns our links in this namespace. */
  hostEnds(): Promise<HostEnd[]>;

  /**
   * Returns all links of a sandbox, but for the loopback. Faults: not_found, also where another
   * namespace than `netnsInode`, when that is given, has its place.
   */
  podLinks(netns: string, netnsInode?: number): Promise<PodLink[]>;

  /** Returns the MTU of this namespace's link that has the IPv4 `address`, undefined if none has. */
  linkMtu(address: string): Promise<number | undefined>;

  /** Returns the names of this namespace's links that carry a default route, of IPv4 or IPv6. */
  defaultRouteLinks(): Promise<string[]>;

  /** Returns up what the driver holds open. */
  close(): void;
}
