// One pair made, or put right. What a pod end has is told in one message of several requests.

import type { PairSpec } from "../links.ts";
import { hostEndTaken, interfaceTaken, notPaired, routeTaken } from "../sandbox_checks.ts";
import { HALF_MADE_GROUP, isOnLink } from "../pair_spec.ts";
import { decodeDefaultRoutes, decodeLinks, type KernelLink } from "./replies.ts";
import type { Libc } from "./libc.ts";
import * as ask from "./requests.ts";
import { orAbsent } from "./removal.ts";
import { findLink, inSandbox, type Inside, isRefusal, openHere } from "./session.ts";
import { refuseRouters, sumChecksums } from "./settings.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";
import type { Request } from "./encoding.ts";

/** Makes the pair of `spec`, or leaves nothing. */
export async function createPair(libc: Libc, spec: PairSpec): Promise<void> {
  using host = openHere(libc);
  await using undo = new AsyncDisposableStack();
  await inSandbox(libc, spec, async (inside) => {
    const index = await addPair(host, inside, spec);
    undo.defer(() => orAbsent(host.ask(ask.deleteLink(spec.hostEnd, index))));
    await setHostEnd(libc, host, { index, spec });
    await setPodEnd(libc, inside.socket, {
      link: await findLink(inside.socket, spec.interface),
      spec,
    });
  });
  undo.move();
}

/** Makes both ends and gives the index of the host's. */
async function addPair(host: NetlinkSocket, inside: Inside, spec: PairSpec): Promise<number> {
  const { hostEnd: name, interface: peer, mac, mtu } = spec;
  const netnsFd = inside.file.fd;
  const pair = ask.newPair({ name, peer, mac, mtu, group: HALF_MADE_GROUP, netnsFd });
  try {
    const [link] = decodeLinks(await host.ask(pair, ask.getLinks(name)));
    if (link) return link.index;
  } catch (error) {
    if (!isRefusal(error, "EEXIST")) throw error;
    if (await findLink(host, name)) throw hostEndTaken(name);
    if (await findLink(inside.socket, peer)) throw interfaceTaken(peer, spec.netns);
    throw error;
  }
  throw notPaired(name, peer, spec.netns); // taken away between two messages
}

async function setHostEnd(
  libc: Libc,
  host: NetlinkSocket,
  { index, spec }: { readonly index: number; readonly spec: PairSpec },
): Promise<void> {
  // Without this the kernel gives an IPv6 address as soon as the link is up.
  const quiet = refuseRouters(libc, spec.hostEnd) ? [ask.NO_IPV6_ADDRESS] : [];
  const attributes = [[ask.IFLA.alias, spec.alias], [ask.IFLA.group, 0], ...quiet] as const;
  await host.ask(ask.setLink(`host end ${spec.hostEnd}`, index, { isUp: true, attributes }));
}

/** Makes the pod end as wanted; a default route is only added where there is none. */
async function setPodEnd(
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
  if (!spec.checksumOffload) sumChecksums(libc, socket, name);
  const requests = podEndRequests(spec, link, await findLink(socket, "lo"));
  if (gateway !== undefined && !hasRoute) {
    requests.push(ask.putDefaultRoute(gateway, link.index, {
      isOnLink: isOnLink(gateway, addresses),
      replace: replaceRoute,
    }));
  }
  try {
    await socket.ask(...requests);
  } catch (error) {
    if (gateway !== undefined && isRefusal(error, "EEXIST")) throw routeTaken(gateway, netns);
    throw error;
  }
}

function podEndRequests(
  { interface: name, mac, mtu, addresses }: PairSpec,
  link: KernelLink,
  loopback: KernelLink | undefined,
): Request[] {
  const size = link.mtu === mtu ? [] : [[ask.IFLA.mtu, mtu] as const];
  const address = link.mac === mac ? [] : [[ask.IFLA.address, ask.macToBytes(mac)] as const];
  const attributes = [...address, ...size, ask.ARP_NOTIFY];
  return [
    ...loopback && !loopback.isUp ? [ask.setLink("lo", loopback.index, { isUp: true })] : [],
    ask.setLink(`interface ${name}`, link.index, { attributes }),
    ...addresses.map((cidr) => ask.putAddress(cidr, link.index)),
    ask.setLink(`interface ${name}`, link.index, { isUp: true }),
  ];
}

/** Puts the existing pair of `spec` right at both ends. */
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
    await setPodEnd(libc, socket, { link: pod, spec, replaceRoute: true, ...route });
  });
}

async function repairHostEnd(
  libc: Libc,
  here: NetlinkSocket,
  { host, spec }: { readonly host: KernelLink; readonly spec: PairSpec },
): Promise<void> {
  // Below 1280 bytes a link forgets its IPv6 settings, and would get an address with the new size.
  if (host.mtu !== spec.mtu) {
    const attributes = [[ask.IFLA.mtu, spec.mtu]] as const;
    await here.ask(ask.setLink(`host end ${host.name}`, host.index, { isUp: false, attributes }));
  }
  const isRight = host.isUp && host.alias === spec.alias && host.mtu === spec.mtu;
  // Left alone when right: each change is an event that makes Open vSwitch look at all ports.
  if (!isRight) await setHostEnd(libc, here, { index: host.index, spec });
}

/** Tells whether the wanted default route is there. Faults: conflict, when another link has it. */
async function routeFor(
  socket: NetlinkSocket,
  { gateway, netns }: PairSpec,
  index: number,
): Promise<{ readonly hasRoute: boolean }> {
  if (gateway === undefined) return { hasRoute: false };
  const routes = decodeDefaultRoutes(await socket.list(ask.getRoutes()))
    .filter((route) => route.metric === 0);
  if (routes.some((route) => route.linkIndex !== index)) throw routeTaken(gateway, netns);
  return { hasRoute: routes.some((route) => route.gateway === gateway) };
}
