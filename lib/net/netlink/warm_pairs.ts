// Creates the pairs of warm ports, many in one batch of requests.

import { INCOMPLETE_GROUP } from "../pair_spec.ts";
import { hostEndTaken } from "../sandbox_checks.ts";
import type { WarmPairSpec } from "../warm_links.ts";
import type { Request } from "./encoding.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";
import { deleteTogether } from "./removal.ts";
import type { KernelLink } from "./replies.ts";
import { IFLA, newPair, NO_IPV6_ADDRESS, setLink } from "./requests.ts";
import { isRefusal, linksOf, openHere } from "./session.ts";
import { disableChecksumOffload, disableRouterAdvertisements } from "./settings.ts";
import type { WarmPlace } from "./warm_pod_end.ts";

// A pair takes the kernel a millisecond; set-ups get their turn in between.
const BATCH = 8;

/** Creates pairs by these names, or leaves none of them behind. */
export async function createPairs(
  { libc, holding, innerIndexes }: WarmPlace,
  names: readonly string[],
  spec: WarmPairSpec,
): Promise<void> {
  using here = openHere(libc);
  using there = holding.openSocket();
  const before = await linksOf(here);
  const taken = names.find((name) => before.some((link) => link.name === name));
  if (taken !== undefined) throw hostEndTaken(taken);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeThose(here, names));
  for (let at = 0; at < names.length; at += BATCH) {
    await addPairs(here, names.slice(at, at + BATCH), spec, holding.fd);
  }
  const outer = named(await linksOf(here), names);
  const inner = named(await linksOf(there), names);
  if (!spec.checksumOffload) {
    for (const { name } of inner) disableChecksumOffload(libc, there, name);
  }
  const settings = outer.map((link) => {
    const noIpv6 = disableRouterAdvertisements(libc, link.name) ? [NO_IPV6_ADDRESS] : [];
    return { link, noIpv6 };
  });
  // IPv6 settings before both ends are up: with its carrier a link gets an address.
  await requestAll(
    here,
    settings.map(({ link, noIpv6 }) =>
      up(link, [[IFLA.alias, spec.alias], [IFLA.group, 0], ...noIpv6])
    ),
  );
  // Where one end has none, as with a small MTU, the other has none either.
  if (settings.some(({ noIpv6 }) => noIpv6.length > 0)) {
    await requestAll(
      there,
      inner.map(({ name, index }) => setLink(name, index, { attributes: [NO_IPV6_ADDRESS] })),
    );
  }
  await requestAll(there, inner.map((link) => up(link, [])));
  for (const { name, index } of inner) innerIndexes.set(name, index);
  undo.move();
}

async function addPairs(
  here: NetlinkSocket,
  names: readonly string[],
  { mtu }: WarmPairSpec,
  netnsFd: number,
): Promise<void> {
  const group = INCOMPLETE_GROUP;
  try {
    await here.request(...names.map((name) => newPair({ name, peer: name, mtu, group, netnsFd })));
  } catch (error) {
    throw isRefusal(error, "EEXIST") ? hostEndTaken(names.join(" ")) : error;
  }
}

function up(
  { name, index }: KernelLink,
  attributes: NonNullable<Parameters<typeof setLink>[2]["attributes"]>,
): Request {
  return setLink(`warm port ${name}`, index, { isUp: true, attributes });
}

async function requestAll(socket: NetlinkSocket, requests: readonly Request[]): Promise<void> {
  for (let at = 0; at < requests.length; at += BATCH) {
    await socket.request(...requests.slice(at, at + BATCH));
  }
}

async function removeThose(here: NetlinkSocket, names: readonly string[]): Promise<void> {
  const links = await linksOf(here);
  // Only those of this creation: another process's link of that name keeps its own group.
  const ours = named(links, names).filter(({ group }) => group === INCOMPLETE_GROUP);
  if (ours.length > 0) await deleteTogether(here, ours, links.map(({ group }) => group));
}

function named(links: readonly KernelLink[], names: readonly string[]): KernelLink[] {
  return links.filter(({ name }) => names.includes(name));
}
