// Links through rtnetlink, spoken over sockets of libc: no process is started, and one pair takes a
// handful of messages. ovs-vswitchd looks at all its ports at each event of a link in its namespace,
// so a host end is told of as seldom as can be: when it is made, comes up, and gets its carrier.

import type { HostEnd, Links, PairSpec, PodLink } from "../links.ts";
import { hostEndTaken, interfaceTaken, notOurs, notPaired, routeTaken } from "../sandbox.ts";
import {
  checkAliasPrefix,
  checkNetns,
  HALF_MADE_GROUP,
  isOnLink,
  parseAddress,
  parsePair,
  removalGroup,
} from "../spec.ts";
import { type Libc, openLibc, Refusal } from "./libc.ts";
import * as ask from "./messages.ts";
import {
  checkSandbox,
  type OpenFile,
  openOwnNamespace,
  openSandbox,
  openSocket,
  openSocketIn,
  type SandboxPlace,
} from "./netns.ts";
import { refuseRouters, sumChecksums } from "./settings.ts";
import { NetlinkSocket } from "./socket.ts";
import type { Request } from "./wire.ts";

/** Opens the driver. Faults: usage; unavailable, where libc cannot be called. */
export function openNetlink(aliasPrefix: string): Links {
  checkAliasPrefix(aliasPrefix);
  const libc = openLibc();
  // Async, so that a value that cannot be used is a refused promise too.
  return {
    driver: "netlink",
    createPair: async (spec) => await createPair(libc, parsePair(spec, aliasPrefix)),
    ensurePodSide: async (spec) => await ensurePodSide(libc, parsePair(spec, aliasPrefix)),
    removeLinks: (names) => removeLinks(libc, names, aliasPrefix),
    hostEnds: () => hostEnds(libc, aliasPrefix),
    podLinks: (netns) => podLinks(libc, netns),
    linkMtu: (address) => linkMtu(libc, address),
    close: () => {},
  };
}

/** A sandbox while it is worked in. */
interface Inside {
  readonly socket: NetlinkSocket;
  /** Its namespace. */
  readonly file: OpenFile;
}

/** A socket of its own for each piece of work: answers of two never mix, and opening takes 20 µs. */
function openHere(libc: Libc): NetlinkSocket {
  return new NetlinkSocket(libc, openSocket(libc));
}

/** Does `work` between two looks at the sandbox. Faults: not_found, rather than what `work` says. */
async function inSandbox<T>(
  libc: Libc,
  place: SandboxPlace,
  work: (inside: Inside) => Promise<T>,
): Promise<T> {
  using own = openOwnNamespace(libc);
  using file = openSandbox(libc, own, place);
  using socket = new NetlinkSocket(libc, openSocketIn(libc, own, { file, netns: place.netns }));
  try {
    return await work({ socket, file });
  } finally {
    checkSandbox(libc, own, place);
  }
}

async function createPair(libc: Libc, spec: PairSpec): Promise<void> {
  using host = openHere(libc);
  await using undo = new AsyncDisposableStack();
  await inSandbox(libc, spec, async (inside) => {
    const index = await addPair(host, inside, spec);
    undo.defer(() => orAbsent(host.ask(ask.deleteLink(spec.hostEnd, index))));
    await setHostEnd(libc, host, { index, spec });
    await setPodEnd(libc, inside.socket, { link: await find(inside.socket, spec.interface), spec });
  });
  undo.move();
}

/** Makes both ends and gives the index of the host's. */
async function addPair(host: NetlinkSocket, inside: Inside, spec: PairSpec): Promise<number> {
  const { hostEnd: name, interface: peer, mac, mtu } = spec;
  const netnsFd = inside.file.fd;
  const pair = ask.newPair({ name, peer, mac, mtu, group: HALF_MADE_GROUP, netnsFd });
  try {
    const [link] = ask.decodeLinks(await host.ask(pair, ask.getLinks(name)));
    if (link) return link.index;
  } catch (error) {
    if (!isRefusal(error, "EEXIST")) throw error;
    if (await find(host, name)) throw hostEndTaken(name);
    if (await find(inside.socket, peer)) throw interfaceTaken(peer, spec.netns);
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
    readonly link: ask.KernelLink | undefined;
    readonly spec: PairSpec;
    readonly replaceRoute?: boolean;
    readonly hasRoute?: boolean;
  },
): Promise<void> {
  const { hostEnd, interface: name, gateway, addresses, netns } = spec;
  if (!link) throw notPaired(hostEnd, name, netns);
  if (!spec.checksumOffload) sumChecksums(libc, socket, name);
  const requests = podEndRequests(spec, link, await find(socket, "lo"));
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
  link: ask.KernelLink,
  loopback: ask.KernelLink | undefined,
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

async function ensurePodSide(libc: Libc, spec: PairSpec): Promise<void> {
  const { hostEnd, netns, interface: name } = spec;
  using here = openHere(libc);
  await inSandbox(libc, spec, async ({ socket }) => {
    const [host, pod] = await Promise.all([find(here, hostEnd), find(socket, name)]);
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
  { host, spec }: { readonly host: ask.KernelLink; readonly spec: PairSpec },
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
  const routes = ask.decodeDefaultRoutes(await socket.list(ask.getRoutes()))
    .filter((route) => route.metric === 0);
  if (routes.some((route) => route.linkIndex !== index)) throw routeTaken(gateway, netns);
  return { hasRoute: routes.some((route) => route.gateway === gateway) };
}

async function removeLinks(
  libc: Libc,
  names: readonly string[],
  aliasPrefix: string,
): Promise<void> {
  if (names.length === 0) return;
  using here = openHere(libc);
  const links = await linksOf(here);
  const present = links.filter((link) => names.includes(link.name));
  const ours = present.filter((link) => isOurs(link, aliasPrefix));
  const [only] = ours;
  if (only && ours.length === 1) await orAbsent(here.ask(ask.deleteLink(only.name, only.index)));
  if (ours.length > 1) await deleteTogether(here, ours, links.map((link) => link.group));
  const foreign = present.filter((link) => !ours.includes(link)).map((link) => link.name);
  if (foreign.length > 0) throw notOurs(foreign);
}

/** Deletes links as one group: the kernel waits once for all, not once for each. */
async function deleteTogether(
  here: NetlinkSocket,
  links: readonly ask.KernelLink[],
  taken: readonly number[],
): Promise<void> {
  const group = removalGroup(taken);
  const gathered = await here.try(links.map(({ name, index }) => {
    return ask.setLink(`group of ${name}`, index, { attributes: [[ask.IFLA.group, group]] });
  }));
  // A link that went away by itself is no failure; one that is only in use elsewhere is.
  for (const refusal of gathered.refusals.values()) if (!refusal.is("ENODEV")) throw refusal;
  await orAbsent(here.ask(ask.deleteGroup(group)));
}

/** Takes "there is no such link" as success. */
async function orAbsent(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error) => {
    if (!isRefusal(error, "ENODEV")) throw error;
  });
}

async function hostEnds(libc: Libc, aliasPrefix: string): Promise<HostEnd[]> {
  using here = openHere(libc);
  return (await linksOf(here)).filter((link) => isOurs(link, aliasPrefix))
    .map(({ name, alias, isUp, mtu }) => ({ name, alias, isUp, mtu }));
}

function isOurs({ alias, group }: ask.KernelLink, aliasPrefix: string): boolean {
  return alias.startsWith(aliasPrefix) || (alias === "" && group === HALF_MADE_GROUP);
}

async function podLinks(libc: Libc, netns: string): Promise<PodLink[]> {
  checkNetns(netns);
  return await inSandbox(libc, { netns }, async ({ socket }) => {
    const links = (await linksOf(socket)).filter((link) => !link.isLoopback);
    const addresses = links.length === 0 ? [] : await addressesOf(socket);
    return links.map(({ name, mac, mtu, isUp, index }) => ({
      name,
      mac,
      mtu,
      isUp,
      addresses: addresses.filter((one) => one.linkIndex === index).map((one) => one.cidr),
    }));
  });
}

async function linkMtu(libc: Libc, address: string): Promise<number | undefined> {
  parseAddress(address);
  using here = openHere(libc);
  const holder = (await addressesOf(here)).find(({ cidr }) => cidr.split("/")[0] === address);
  if (!holder) return undefined;
  return (await linksOf(here)).find(({ index }) => index === holder.linkIndex)?.mtu;
}

async function linksOf(socket: NetlinkSocket): Promise<ask.KernelLink[]> {
  return ask.decodeLinks(await socket.list(ask.getLinks()));
}

async function addressesOf(socket: NetlinkSocket): Promise<ask.KernelAddress[]> {
  return ask.decodeAddresses(await socket.list(ask.getAddresses()));
}

async function find(socket: NetlinkSocket, name: string): Promise<ask.KernelLink | undefined> {
  try {
    return ask.decodeLinks(await socket.ask(ask.getLinks(name)))[0];
  } catch (error) {
    if (isRefusal(error, "ENODEV")) return undefined;
    throw error;
  }
}

function isRefusal(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof Refusal && error.is(...names);
}
