// Plans the pools of warm ports: which of the parked ones are free for a pod, which are to be removed, and how many
// each network needs. Pure.
//
// A spare port is not free of charge: ovs-vswitchd checks it with all others at each change (85 µs) and sends each
// broadcast of its VLAN to it (10 µs). So a host has some hundred at most, whatever its networks.

import type { HostEnd } from "../../net/links.ts";
import type { InnerEnd } from "../../net/warm_links.ts";
import type { PortRow } from "../../ovs/switch.ts";
import { isWarmPort } from "./port_external_ids.ts";

/** Spare ports of a host; a network gets its share of them, within its own limits. */
const ALL = 128;
const [LEAST, MOST] = [4, 32];
/** For pods that come to a network which has few. */
const USUAL = 16;

/** A network whose pods get warm ports. */
export interface PoolNetwork {
  readonly tenant: string;
  readonly network: string;
  /** Access tag on this host. */
  readonly tag: number;
  /** MTU of its pods, in bytes. */
  readonly mtu: number;
  /** Pods that it has here. */
  readonly pods: number;
  /** Set-ups in its largest burst lately. */
  readonly burst: number;
}

/** A warm port that no pod has. */
export interface FreePort extends Omit<PoolNetwork, "pods" | "burst"> {
  readonly name: string;
}

/** What is on the host. */
export interface SeenPorts {
  readonly rows: readonly PortRow[];
  readonly outerEnds: readonly HostEnd[];
  readonly innerEnds: readonly InnerEnd[];
}

/** What is to be done. */
export interface PoolPlan {
  readonly free: readonly FreePort[];
  /** Ports and links to remove. */
  readonly retired: readonly string[];
  /** How many ports to add, by network; none where there are enough. */
  readonly added: ReadonlyMap<PoolNetwork, number>;
}

/** Plans the pools of `networks`; ports that are `isBusy` belong to a pod, a set-up or a teardown. */
export function planPools(
  networks: readonly PoolNetwork[],
  { rows, outerEnds, innerEnds }: SeenPorts,
  isBusy: (name: string) => boolean,
): PoolPlan {
  const outer = new Map(outerEnds.map((end) => [end.name, end]));
  const inner = new Map(innerEnds.map((end) => [end.name, end]));
  const parked = rows.filter(({ name, externalIds }) =>
    isWarmPort(name) && externalIds.attachment === undefined && !isBusy(name)
  );
  const withRow = new Set(rows.map(({ name }) => name));
  const leftovers = [...outer.keys()].filter((name) =>
    isWarmPort(name) && !withRow.has(name) && !isBusy(name)
  );
  const free = networks.flatMap((network) => {
    const usable = parked.filter((row) =>
      isOf(row, network) && isUsable(network, outer.get(row.name), inner.get(row.name))
    );
    // More than twice what the network needs are left by pods that went.
    const most = 2 * sizeOf(network, networks.length);
    return usable.slice(0, usable.length > most ? most / 2 : most).map((row) =>
      freePort(row, network)
    );
  });
  const kept = new Set(free.map(({ name }) => name));
  return {
    free,
    retired: [...parked.map(({ name }) => name).filter((name) => !kept.has(name)), ...leftovers],
    added: new Map(networks.flatMap((network) => {
      const has = free.filter((port) => isSame(port, network)).length;
      const size = sizeOf(network, networks.length);
      return isLow(has, size) ? [[network, size - has]] : [];
    })),
  };
}

/** Reports whether a pool of that many free ports is to be filled up to `size`. */
export function isLow(free: number, size: number): boolean {
  return free <= size / 2;
}

/**
 * Returns how many spare ports a network gets: at least the usual number, twice its pods up to a limit, or as many as
 * came together lately, but not more than its share.
 */
export function sizeOf(
  { pods, burst }: Pick<PoolNetwork, "pods" | "burst">,
  networks: number,
): number {
  const share = Math.floor(ALL / networks);
  return Math.max(LEAST, Math.min(Math.max(USUAL, Math.min(MOST, 2 * pods), burst), share));
}

// A new row has no OpenFlow number for a moment.
function isOf({ tag, error, externalIds: ids }: PortRow, network: PoolNetwork): boolean {
  return error === undefined && tag === network.tag && ids.tenant === network.tenant &&
    ids.network === network.network;
}

function isUsable(
  { mtu }: PoolNetwork,
  outer: HostEnd | undefined,
  inner: InnerEnd | undefined,
): boolean {
  return outer !== undefined && outer.isUp && outer.mtu === mtu && inner !== undefined &&
    !inner.isOccupied;
}

function freePort({ name }: PortRow, { tenant, network, tag, mtu }: PoolNetwork): FreePort {
  return { name, tenant, network, tag, mtu };
}

/** Reports whether both are of one network, as it is now. */
export function isSame(
  one: Omit<PoolNetwork, "pods" | "burst">,
  other: Omit<PoolNetwork, "pods" | "burst">,
): boolean {
  return one.tenant === other.tenant && one.network === other.network && one.tag === other.tag &&
    one.mtu === other.mtu;
}
