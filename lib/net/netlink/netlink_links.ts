// Links through rtnetlink, over sockets of libc: no process is started, and one pair takes a handful of messages.
// ovs-vswitchd checks all its ports at each event of a link in its namespace, so a host end causes as few events
// as possible: when it is created, comes up, and gets its carrier.

import type { HostEnd, Links, PodLink } from "../links.ts";
import { checkAliasPrefix, checkNetns, parseAddress, parsePair } from "../pair_spec.ts";
import { type Libc, openLibc } from "./libc.ts";
import { createPair, ensurePodSide } from "./pair.ts";
import { isOurs, removeLinks } from "./removal.ts";
import { decodeDefaultRoutes } from "./replies.ts";
import { AF, getRoutes } from "./requests.ts";
import { addressesOf, inSandbox, isEmpty, linksOf, openHere } from "./session.ts";

/** Opens the driver. Faults: usage; unavailable, if libc cannot be called. */
export function openNetlinkLinks(aliasPrefix: string): Links {
  checkAliasPrefix(aliasPrefix);
  const libc = openLibc();
  // Async, so that a value that is not valid rejects the promise too.
  return {
    driver: "netlink",
    createPair: async (spec) => await createPair(libc, parsePair(spec, aliasPrefix)),
    ensurePodSide: async (spec) => await ensurePodSide(libc, parsePair(spec, aliasPrefix)),
    removeLinks: (names) => removeLinks(libc, names, aliasPrefix),
    hostEnds: () => hostEnds(libc, aliasPrefix),
    podLinks: (netns, inode) => podLinks(libc, netns, inode),
    podGateways: (netns, inode) => podGateways(libc, netns, inode),
    linkMtus: (addresses) => linkMtus(libc, addresses),
    defaultRouteLinks: () => defaultRouteLinks(libc),
    close: () => {},
  };
}

async function hostEnds(libc: Libc, aliasPrefix: string): Promise<HostEnd[]> {
  using here = openHere(libc);
  return (await linksOf(here)).filter((link) => isOurs(link, aliasPrefix))
    .map(({ name, alias, isUp, mtu }) => ({ name, alias, isUp, mtu }));
}

async function podLinks(libc: Libc, netns: string, netnsInode?: number): Promise<PodLink[]> {
  checkNetns(netns);
  const place = netnsInode === undefined ? { netns } : { netns, netnsInode };
  if (isEmpty(libc, place)) return [];
  return await inSandbox(libc, place, async ({ socket }) => {
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

async function podGateways(libc: Libc, netns: string, netnsInode?: number): Promise<string[]> {
  checkNetns(netns);
  const place = netnsInode === undefined ? { netns } : { netns, netnsInode };
  return await inSandbox(libc, place, async ({ socket }) => {
    const messages = await socket.list(getRoutes(AF.inet));
    const routes = decodeDefaultRoutes(messages, { allTables: true });
    return routes.flatMap(({ gateway }) => gateway ?? []);
  });
}

async function linkMtus(libc: Libc, addresses: readonly string[]): Promise<number[]> {
  addresses.forEach(parseAddress);
  const wanted = new Set(addresses);
  using here = openHere(libc);
  const holders = (await addressesOf(here)).filter(({ cidr }) => wanted.has(cidr.split("/")[0]!));
  if (holders.length === 0) return [];
  const indexes = new Set(holders.map(({ linkIndex }) => linkIndex));
  return (await linksOf(here)).filter(({ index }) => indexes.has(index)).map(({ mtu }) => mtu);
}

async function defaultRouteLinks(libc: Libc): Promise<string[]> {
  using here = openHere(libc);
  const messages = [
    ...await here.list(getRoutes(AF.inet)),
    ...await here.list(getRoutes(AF.inet6)),
  ];
  const indexes = new Set(decodeDefaultRoutes(messages).flatMap((route) => route.linkIndexes));
  return (await linksOf(here)).filter(({ index }) => indexes.has(index)).map(({ name }) => name);
}
