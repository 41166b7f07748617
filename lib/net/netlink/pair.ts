// Creates or repairs one pair. Everything about a pod end is sent as one batch of requests.

import type { PairSpec } from "../links.ts";
import { hostEndTaken, interfaceTaken, notPaired, routeTaken } from "../sandbox_checks.ts";
import { INCOMPLETE_GROUP, isOnLink, mustGoDown } from "../pair_spec.ts";
import { decodeDefaultRoutes, decodeLinks, type KernelLink } from "./replies.ts";
import type { Libc } from "./libc.ts";
import * as rtnetlink from "./requests.ts";
import { orAbsent } from "./removal.ts";
import { findLink, inSandbox, type Inside, isRefusal, openHere } from "./session.ts";
import { disableChecksumOffload, disableRouterAdvertisements } from "./settings.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";
import type { Request } from "./encoding.ts";

/** In each network namespace (LOOPBACK_IFINDEX of the kernel). */
const LOOPBACK_INDEX = 1;

/** Creates the pair of `spec`, or leaves nothing behind. */
export async function createPair(libc: Libc, spec: PairSpec): Promise<void> {
  using host = openHere(libc);
  await using undo = new AsyncDisposableStack();
  await inSandbox(libc, spec, async (inside) => {
    const index = await addPair(host, inside, spec);
    undo.defer(() => orAbsent(host.request(rtnetlink.deleteLink(spec.hostEnd, index))));
    await setHostEnd(libc, host, { index, spec });
    await setPodEnd(libc, inside.socket, {
      link: await findLink(inside.socket, spec.interface),
      spec,
    });
  });
  undo.move();
}

/** Creates both ends; returns the index of the host end. */
async function addPair(host: NetlinkSocket, inside: Inside, spec: PairSpec): Promise<number> {
  const { hostEnd: name, interface: peer, mac, mtu } = spec;
  const netnsFd = inside.file.fd;
  const pair = rtnetlink.newPair({ name, peer, mac, mtu, group: INCOMPLETE_GROUP, netnsFd });
  try {
    const [link] = decodeLinks(await host.request(pair, rtnetlink.getLinks(name)));
    if (link) return link.index;
  } catch (error) {
    if (!isRefusal(error, "EEXIST")) throw error;
    if (await findLink(host, name)) throw hostEndTaken(name);
    if (await findLink(inside.socket, peer)) throw interfaceTaken(peer, spec.netns);
    throw error;
  }
  throw notPaired(name, peer, spec.netns); // removed between two requests
}

async function setHostEnd(
  libc: Libc,
  host: NetlinkSocket,
  { index, spec, hasCarrier = false }: {
    readonly index: number;
    readonly spec: PairSpec;
    /** The other end is up: this one gets an IPv6 address together with its carrier. */
    readonly hasCarrier?: boolean;
  },
): Promise<void> {
  // Without this the link gets an IPv6 address as soon as it is up.
  const noIpv6 = disableRouterAdvertisements(libc, spec.hostEnd) ? [rtnetlink.NO_IPV6_ADDRESS] : [];
  const attributes = [
    [rtnetlink.IFLA.alias, spec.alias],
    [rtnetlink.IFLA.group, 0],
    ...noIpv6,
  ] as const;
  const change = (what: rtnetlink.LinkChange) =>
    rtnetlink.setLink(`host end ${spec.hostEnd}`, index, what);
  // In one request the kernel brings the link up before it reads the attributes.
  if (hasCarrier) await host.request(change({ attributes }), change({ isUp: true }));
  else await host.request(change({ isUp: true, attributes }));
}

/** Configures a pod end that was just created, with that index, in one batch of requests. */
export async function configureNew(
  socket: NetlinkSocket,
  index: number,
  spec: PairSpec,
): Promise<void> {
  const { gateway, netns, addresses } = spec;
  const link = { index, mtu: spec.mtu, mac: "" };
  const requests = podEndRequests(spec, link, { index: LOOPBACK_INDEX, isUp: false });
  if (gateway !== undefined) {
    const options = { isOnLink: isOnLink(gateway, addresses), replace: false };
    requests.push(rtnetlink.putDefaultRoute(gateway, index, options));
  }
  try {
    await socket.request(...requests);
  } catch (error) {
    if (gateway !== undefined && isRefusal(error, "EEXIST")) throw routeTaken(gateway, netns);
    throw error;
  }
}

/** Configures the pod end as `spec` says; a default route is added only if there is none. */
export async function setPodEnd(
  libc: Libc,
  socket: NetlinkSocket,
  { link, spec, replaceRoute = false, hasRoute = false }: {
    readonly link: KernelLink | undefined;
    readonly spec: PairSpec;
    readonly replaceRoute?: boolean;
    readonly hasRoute?: boolean;
  },
): Promise<void> {
  const { hostEnd, interface: name, gateway, addresses, netns } = spec;
  if (!link) throw notPaired(hostEnd, name, netns);
  if (!spec.checksumOffload) disableChecksumOffload(libc, socket, name);
  const requests = podEndRequests(spec, link, await findLink(socket, "lo"));
  if (gateway !== undefined && !hasRoute) {
    requests.push(rtnetlink.putDefaultRoute(gateway, link.index, {
      isOnLink: isOnLink(gateway, addresses),
      replace: replaceRoute,
    }));
  }
  try {
    await socket.request(...requests);
  } catch (error) {
    if (gateway !== undefined && isRefusal(error, "EEXIST")) throw routeTaken(gateway, netns);
    throw error;
  }
}

function podEndRequests(
  { interface: name, mac, mtu, addresses }: PairSpec,
  link: Pick<KernelLink, "index" | "mtu" | "mac">,
  loopback: Pick<KernelLink, "index" | "isUp"> | undefined,
): Request[] {
  const size = link.mtu === mtu ? [] : [[rtnetlink.IFLA.mtu, mtu] as const];
  const address = link.mac === mac
    ? []
    : [[rtnetlink.IFLA.address, rtnetlink.macToBytes(mac)] as const];
  const attributes = [...address, ...size];
  const change = (options: rtnetlink.LinkChange) =>
    rtnetlink.setLink(`interface ${name}`, link.index, options);
  return [
    ...loopback && !loopback.isUp ? [rtnetlink.setLink("lo", loopback.index, { isUp: true })] : [],
    ...attributes.length > 0 ? [change({ attributes })] : [],
    ...addresses.map((cidr) => rtnetlink.putAddress(cidr, link.index)),
    change({ isUp: true }),
    // After that: a warm port is there, and what the kernel announces before its flows are would be cached as dropped,
    // with what the pod sends next (1 of 150 first pings at 500 ports).
    change({ attributes: [rtnetlink.ARP_NOTIFY] }),
  ];
}

/** Repairs both ends of the existing pair of `spec`. */
export async function ensurePodSide(libc: Libc, spec: PairSpec): Promise<void> {
  const { hostEnd, netns, interface: name } = spec;
  using here = openHere(libc);
  await inSandbox(libc, spec, async ({ socket }) => {
    const [host, pod] = await Promise.all([findLink(here, hostEnd), findLink(socket, name)]);
    if (!host || !pod || host.peerIndex !== pod.index || pod.peerIndex !== host.index) {
      throw notPaired(hostEnd, name, netns);
    }
    await repairHostEnd(libc, here, { host, spec });
    const route = await routeFor(socket, spec, pod.index);
    await removeFormerRoute(socket, spec, pod.index);
    await setPodEnd(libc, socket, { link: pod, spec, replaceRoute: true, ...route });
  });
}

/** Removes a default route of ours that the network has no gateway for any more. */
export async function removeFormerRoute(
  socket: NetlinkSocket,
  { gateway, formerGateway }: PairSpec,
  index: number,
): Promise<void> {
  if (formerGateway === undefined || gateway !== undefined) return;
  const isThere = decodeDefaultRoutes(await socket.list(rtnetlink.getRoutes()))
    .some((route) => route.linkIndex === index && route.gateway === formerGateway);
  if (isThere) await socket.request(rtnetlink.deleteDefaultRoute(formerGateway, index));
}

/** Sets what differs from `spec` at the host end. */
export async function repairHostEnd(
  libc: Libc,
  here: NetlinkSocket,
  { host, spec }: { readonly host: KernelLink; readonly spec: PairSpec },
): Promise<void> {
  if (host.mtu !== spec.mtu) {
    const attributes = [[rtnetlink.IFLA.mtu, spec.mtu]] as const;
    const down = mustGoDown(host.mtu, spec.mtu) ? { isUp: false } : {};
    await here.request(
      rtnetlink.setLink(`host end ${host.name}`, host.index, { ...down, attributes }),
    );
  }
  const hasCarrier = mustGoDown(host.mtu, spec.mtu);
  const isRight = host.isUp && host.alias === spec.alias && !hasCarrier;
  // Left alone when correct: each change is an event that makes Open vSwitch check all its ports.
  if (!isRight) await setHostEnd(libc, here, { index: host.index, spec, hasCarrier });
}

/** Reports whether the default route of `spec` exists. Faults: conflict, if another link has the default route. */
export async function routeFor(
  socket: NetlinkSocket,
  { gateway, netns }: PairSpec,
  index: number,
): Promise<{ readonly hasRoute: boolean }> {
  if (gateway === undefined) return { hasRoute: false };
  const routes = decodeDefaultRoutes(await socket.list(rtnetlink.getRoutes()))
    .filter((route) => route.metric === 0);
  if (routes.some((route) => route.linkIndex !== index)) throw routeTaken(gateway, netns);
  return { hasRoute: routes.some((route) => route.gateway === gateway) };
}
