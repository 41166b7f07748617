// Links of warm ports: veth pairs that are created ahead, many at once. The outer end is in this namespace, as
// a port of Open vSwitch; the inner end is in the holding namespace, under the same name. A pod gets its
// interface as a macvlan in passthru mode on an inner end, created directly in its namespace: that causes no
// event in this namespace, after which ovs-vswitchd would check all its ports (85 µs each).
//
// So it should be on the kernel's datapath, which is read (Open vSwitch 3.1, module of 2.17) and not tried: its
// ovs-vswitchd reads no external_ids either, and hears of links in this namespace only. The module takes frames by the
// outer end's rx handler and hands them to the same link, behind which a macvlan is a receiver as a pod's veth is.
// There a turn of the main thread reads from no port.
//
// Passthru is also the interlock: the kernel accepts one macvlan per inner end, so two pods never share a port.
// The inner end takes over the MAC of its macvlan, and gets its own back when that goes.

import type { PairSpec } from "./links.ts";

/** Folder of the holding namespace's name, which is a mount. */
export const HOLDING_FOLDER = "/run/netns";

/** What the pairs of one request have in common. */
export interface WarmPairSpec {
  /** Identifies the owner; begins with the prefix of openWarmLinks(), cut at 255 characters. */
  readonly alias: string;
  /** MTU of both ends, in bytes. */
  readonly mtu: number;
  /** As in a PairSpec; an inner end keeps it, whatever a pod sets on its own interface. */
  readonly checksumOffload: boolean;
}

/** The inner end of a pair. */
export interface InnerEnd {
  /** That of its outer end, too. */
  readonly name: string;
  readonly mtu: number;
  /** An interface on it is up, wherever that is. */
  readonly isOccupied: boolean;
}

/** Where a pod's interface was created; it may have another name by now. */
export type WarmPodEnd = Pick<PairSpec, "hostEnd" | "netns" | "netnsInode">;

/**
 * Creates, lists and uses pairs. The first call creates the holding namespace, or opens that of an earlier process; it
 * stays open until close(): all inner ends would go with its name and the last process that has it open. In a PairSpec,
 * `hostEnd` is the name of a pair and `alias` is not used: pairs keep that of their creation. All calls may be repeated
 * and may run concurrently. removeLinks() of a pair's outer end removes it, with everything on its inner end.
 */
export interface WarmLinks {
  /** Reports whether the kernel has what a pod's interface needs: macvlan. */
  isSupported(): Promise<boolean>;

  /** Creates pairs, both ends up, or leaves none of them behind. Faults: usage, conflict (a name is taken), failed. */
  createPairs(names: readonly string[], spec: WarmPairSpec): Promise<void>;

  /** Returns the inner ends in the holding namespace. */
  innerEnds(): Promise<InnerEnd[]>;

  /**
   * Creates the pod's interface on an inner end, up, with addresses and routes, or leaves nothing behind; one that is
   * there already is repaired. Faults: conflict (the inner end is missing or occupied, the interface's name
   * is taken, or there is another default route), not_found (the sandbox is gone).
   */
  attachPod(spec: PairSpec): Promise<void>;

  /**
   * Repairs the interface and both ends of its pair: links, MTU, addresses, routes. Faults: as
   * Links.ensurePodSide().
   */
  ensurePodSide(spec: PairSpec): Promise<void>;

  /**
   * Removes a pod's interface from its inner end, which is free afterwards. Interface or sandbox may be gone.
   * Faults: conflict, if the inner end is gone, or stays occupied: the pod has moved its interface to another namespace.
   */
  detachPod(podEnd: WarmPodEnd): Promise<void>;

  /** Closes the holding namespace. */
  close(): void;
}
