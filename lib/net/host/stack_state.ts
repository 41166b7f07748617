// Reads `ip -j` about the host's stack, and computes what has to change. Pure.

import { Fault } from "../../util/errors.ts";
import type { DesiredStack, StackRoute } from "./host_stack.ts";

/** The stack as it is. */
export interface StackState {
  readonly isUp: boolean;
  /** IPv4 addresses of the link with prefix length, in the kernel's order. */
  readonly addresses: readonly string[];
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[];
  /** All routes of the main table. */
  readonly routes: readonly HostRoute[];
}

/** One IPv4 route of the host's main table. */
export interface HostRoute {
  /** CIDR; `0.0.0.0/0` for a default route. */
  readonly to: string;
  readonly device: string;
  readonly gateway: string | undefined;
  readonly source: string | undefined;
  readonly mtu: number | undefined;
  readonly metric: number;
  /** True: its addresses are the link's neighbours. */
  readonly isConnected: boolean;
}

interface IpLink {
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly "addr_info"?: readonly { readonly local: string; readonly prefixlen: number }[];
}

interface IpRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly scope?: string;
  readonly nexthops?: readonly { readonly dev?: string; readonly gateway?: string }[];
  readonly metrics?: readonly { readonly mtu?: number }[];
}

interface IpNeighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** The lines for `ip -j -4 -batch` whose output parseState() reads. */
export function stateQueries(device: string): string {
  return `address show dev ${device}\nneighbour show dev ${device}\nroute show\n`;
}

/** Parses the output of stateQueries(). Faults: failed. */
export function parseState(output: string): StackState {
  const [links, neighbours, routes] = parseLists(output) as [IpLink[], IpNeighbour[], IpRoute[]];
  const link = links.find(({ ifname }) => ifname !== undefined);
  return {
    isUp: link?.flags?.includes("UP") ?? false,
    addresses: (link?.addr_info ?? []).map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    neighbours: neighbours.flatMap(({ dst, lladdr, state }) =>
      lladdr && state?.includes("PERMANENT") ? [{ address: dst, mac: lladdr }] : []
    ),
    routes: routes.flatMap(hostRoutes),
  };
}

/** Parses the output of `ip -j -4 route show`. Faults: failed. */
export function parseRoutes(output: string): HostRoute[] {
  return (parseLists(output)[0] as IpRoute[] | undefined ?? []).flatMap(hostRoutes);
}

/** `ip -j -batch` prints one list for each line; some versions print nothing for an empty one. */
function parseLists(output: string): unknown[][] {
  const lists: unknown[][] = [];
  for (const line of output.split("\n").filter((each) => each.trim() !== "")) {
    const list: unknown = JSON.parse(line);
    if (!Array.isArray(list)) {
      throw new Fault("failed", "the output of ip -j is not a list", {
        fix: "see iproute2's version",
      });
    }
    lists.push(list);
  }
  return lists;
}

function hostRoutes(route: IpRoute): HostRoute[] {
  const { dst, dev, gateway, prefsrc, metric = 0, scope, nexthops = [], metrics = [] } = route;
  const to = dst === "default" ? "0.0.0.0/0" : dst.includes("/") ? dst : `${dst}/32`;
  const ways = nexthops.length > 0 ? nexthops : [{ dev, gateway }];
  return ways.map((way) => ({
    to,
    device: way.dev ?? "",
    gateway: way.gateway,
    source: prefsrc,
    mtu: metrics.find(({ mtu }) => mtu !== undefined)?.mtu,
    metric,
    isConnected: scope === "link" && way.gateway === undefined,
  }));
}

/** What has to be done, and what cannot be. */
export interface StackChanges {
  /** Lines for `ip -batch`, in order. */
  readonly lines: readonly string[];
  readonly problems: readonly Fault[];
}

/** Returns the changes from `state` to `desired`. */
export function stackChanges(state: StackState, desired: DesiredStack): StackChanges {
  const { device, nextHop } = desired;
  const addresses = addressLines(state, desired);
  const hasNeighbour = state.neighbours.some(({ address, mac }) =>
    address === nextHop.address && mac === nextHop.mac
  );
  const setNeighbour =
    `neighbour replace ${nextHop.address} lladdr ${nextHop.mac} dev ${device} nud permanent`;
  // The kernel removes routes with an address that is their source, and routes and neighbours with the last
  // address of a link and with a link that goes down.
  const isFresh = !state.isUp || addresses.length > 0;
  const { lines, problems } = routeLines(state, desired, isFresh);
  return {
    lines: [
      ...state.isUp ? [] : [`link set dev ${device} up`],
      ...addresses,
      ...hasNeighbour && !isFresh ? [] : [setNeighbour],
      ...lines,
    ],
    problems,
  };
}

/** All after the first that differs are made anew: an address is added as the last. */
function addressLines(
  { addresses: present }: StackState,
  { addresses, device }: DesiredStack,
): string[] {
  const desired = addresses.map((one) => `${one}/32`);
  const differs = desired.findIndex((one, at) => present[at] !== one);
  const right = differs < 0 ? desired.length : differs;
  return [
    ...present.slice(right).map((one) => `address del ${one} dev ${device}`),
    ...desired.slice(right).map((one) => `address add ${one} dev ${device}`),
  ];
}

function routeLines(
  { routes: present }: StackState,
  { device, nextHop, routes }: DesiredStack,
  isFresh: boolean,
): StackChanges {
  const mine = present.filter((one) => one.device === device && one.gateway === nextHop.address);
  const isDesired = ({ to }: HostRoute) => routes.some((one) => one.to === to);
  const foreign = present.filter((one) => one.device !== device);
  const problems: Fault[] = [];
  const lines = mine.filter((one) => !isDesired(one)).map((one) =>
    `route del ${one.to} via ${nextHop.address} dev ${device}`
  );
  for (const route of routes) {
    const inWay = foreign.find((one) => isInWay(one, route));
    if (inWay) problems.push(routeInWay(route, inWay));
    if (foreign.some((one) => one.to === route.to)) continue;
    const now = mine.find(({ to }) => to === route.to);
    if (now && !isFresh && isSame(now, route)) continue;
    const mtu = route.mtu === undefined ? "" : ` mtu ${route.mtu}`;
    lines.push(
      `route replace ${route.to} via ${nextHop.address} dev ${device} onlink ` +
        `src ${route.source}${mtu}`,
    );
  }
  return { lines, problems };
}

/** A more exact route takes packets to pods; in a network that the host is connected to, pods take its neighbours'. */
function isInWay(foreign: HostRoute, { to }: StackRoute): boolean {
  return isWithin(foreign.to, to) || (foreign.isConnected && isWithin(to, foreign.to));
}

function isSame(now: HostRoute, { source, mtu }: StackRoute): boolean {
  return now.source === source && now.mtu === mtu && now.metric === 0;
}

function routeInWay({ to }: StackRoute, { to: other, device }: HostRoute): Fault {
  return new Fault("conflict", `the host's route to ${other} overlaps ${to}`, {
    why: `it leads ${device === "" ? "nowhere" : `to ${device}`}, not to the pods`,
    fix: "remove that route or choose another subnet",
  });
}

/** Reports whether all addresses of `inner` are in `outer`. */
export function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [blockOf(inner), blockOf(outer)];
  return a.first >= b.first && a.last <= b.last;
}

/** Reports whether two CIDRs share an address. */
export function shareAddress(one: string, other: string): boolean {
  const [a, b] = [blockOf(one), blockOf(other)];
  return a.first <= b.last && b.first <= a.last;
}

function blockOf(cidr: string): { readonly first: number; readonly last: number } {
  const [address = "", length = "32"] = cidr.split("/");
  const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const size = 2 ** (32 - Number(length));
  const first = number - number % size;
  return { first, last: first + size - 1 };
}
