// Links through iproute2, and ethtool for checksum offload: slower than netlink/ by some milliseconds per pair, but
// it needs no permission except to start commands. Deno opens nothing below /proc and /sys without -A (seen with
// 2.9.6): commands do that too.

import { type IpLink, type IpRoute, parseIpLinks, parseIpRoutes } from "./ip_output.ts";
import {
  disableRouterAdvertisements,
  inSameSandbox,
  inSandbox,
  ip,
  linksHere,
  linksIn,
} from "./commands.ts";
import type { HostEnd, Links, PairSpec, PodLink } from "../links.ts";
import { hostEndTaken, interfaceTaken, notOurs, notPaired, routeTaken } from "../sandbox_checks.ts";
import {
  checkAliasPrefix,
  checkNetns,
  INCOMPLETE_GROUP,
  isOnLink,
  mustGoDown,
  parseAddress,
  parsePair,
  removalGroup,
} from "../pair_spec.ts";

// The kernel takes 20 ms to delete one link, and may have hundreds of them to delete.
const REMOVAL_LIMIT_MS = 30_000;

/** Opens the driver. Faults: usage. */
export function openIprouteLinks(aliasPrefix: string): Links {
  checkAliasPrefix(aliasPrefix);
  // Async, so that a value that is not valid rejects the promise too.
  return {
    driver: "ip",
    createPair: async (spec) => await createPair(parsePair(spec, aliasPrefix)),
    ensurePodSide: async (spec) => await ensurePodSide(parsePair(spec, aliasPrefix)),
    removeLinks: (names) => removeLinks(names, aliasPrefix),
    hostEnds: () => hostEnds(aliasPrefix),
    podLinks,
    podGateways,
    linkMtus,
    defaultRouteLinks,
    close: () => {},
  };
}

async function createPair(spec: PairSpec): Promise<void> {
  await using undo = new AsyncDisposableStack();
  await inSameSandbox(spec, async () => {
    await addPair(spec);
    undo.defer(() => deleteLink(spec.hostEnd));
    await setHostEnd(spec);
    await setPodEnd(spec, addDefaultRoute(spec)).catch((error) => orRouteTaken(error, spec));
  });
  undo.move();
}

async function addPair(spec: PairSpec): Promise<void> {
  const { hostEnd, netns, interface: name, mac } = spec;
  const peer = ["peer", "name", name, "address", mac, ...size(spec), "netns", netns];
  const group = ["group", String(INCOMPLETE_GROUP)];
  try {
    await ip(["link", "add", "name", hostEnd, ...group, ...size(spec), "type", "veth", ...peer]);
  } catch (error) {
    if ((await linksHere()).some((link) => link.name === hostEnd)) throw hostEndTaken(hostEnd);
    const there = await linksIn(netns);
    if (there.some((link) => link.name === name)) throw interfaceTaken(name, netns);
    throw error;
  }
}

function size({ mtu }: PairSpec): string[] {
  return ["mtu", String(mtu)];
}

async function setHostEnd({ hostEnd, alias }: PairSpec): Promise<void> {
  const settings = ["alias", alias, "group", "default"];
  // Without addrgenmode none the link gets an IPv6 address as soon as it is up.
  if (await disableRouterAdvertisements(hostEnd)) settings.push("addrgenmode", "none");
  await ip(["link", "set", "dev", hostEnd, ...settings, "up"]);
}

/** Configures the pod end as `spec` says; `more` are further lines for `ip -batch`. */
async function setPodEnd(spec: PairSpec, more: readonly string[]): Promise<void> {
  const { netns, interface: name, mac, mtu } = spec;
  const setting = `/proc/sys/net/ipv4/conf/${name}/arp_notify`;
  await inSandbox(netns, ["tee", setting], { stdin: "1" });
  if (!spec.checksumOffload) await inSandbox(netns, ["ethtool", "-K", name, "tx", "off"]);
  const lines = [
    "link set dev lo up",
    `link set dev ${name} address ${mac} mtu ${mtu}`,
    ...spec.addresses.map((address) => `address replace ${address} dev ${name}`),
    `link set dev ${name} up`,
    ...more,
  ];
  await inSandbox(netns, ["ip", "-batch", "-"], { stdin: `${lines.join("\n")}\n` });
}

function addDefaultRoute({ gateway, addresses, interface: name }: PairSpec): string[] {
  if (gateway === undefined) return [];
  const onLink = isOnLink(gateway, addresses) ? "" : " onlink";
  return [`route add default via ${gateway} dev ${name}${onLink}`];
}

/** Returns the line for `ip -batch` that adds a missing default route, if it is missing. Faults: conflict. */
async function missingRoute(spec: PairSpec): Promise<string[]> {
  const { netns, interface: name, gateway } = spec;
  if (gateway === undefined) return [];
  const routes = await defaultRoutes(netns);
  if (routes.some((one) => one.interface !== name)) throw routeTaken(gateway, netns);
  const isThere = routes.some((one) => one.gateway === gateway);
  return isThere ? [] : addDefaultRoute(spec).map((line) => line.replace("add", "replace"));
}

/** Returns the line that removes a default route of ours that the network has no gateway for any more. */
async function formerRoute(spec: PairSpec): Promise<string[]> {
  const { netns, interface: name, gateway, formerGateway } = spec;
  if (formerGateway === undefined || gateway !== undefined) return [];
  const isThere = (await defaultRoutes(netns)).some((route) =>
    route.interface === name && route.gateway === formerGateway
  );
  return isThere ? [`route del default via ${formerGateway} dev ${name}`] : [];
}

/** Throws `error`, or the Fault of another default route where that is its cause. */
async function orRouteTaken(error: unknown, { gateway, netns }: PairSpec): Promise<never> {
  const isTaken = gateway !== undefined && (await defaultRoutes(netns)).length > 0;
  throw isTaken ? routeTaken(gateway, netns) : error;
}

async function defaultRoutes(netns: string): Promise<IpRoute[]> {
  const show = ["ip", "-j", "-4", "route", "show", "table", "all", "default"];
  return parseIpRoutes(await inSandbox(netns, show)).filter((route) => route.metric === 0);
}

async function ensurePodSide(spec: PairSpec): Promise<void> {
  const { hostEnd, netns, interface: name } = spec;
  await inSameSandbox(spec, async () => {
    const [here, there] = await Promise.all([linksHere(), linksIn(netns)]);
    const host = here.find((link) => link.name === hostEnd);
    const pod = there.find((link) => link.name === name);
    if (!host || !pod || host.peerIndex !== pod.index || pod.peerIndex !== host.index) {
      throw notPaired(hostEnd, name, netns);
    }
    const down = mustGoDown(host.mtu, spec.mtu);
    if (host.mtu !== spec.mtu) {
      await ip(["link", "set", "dev", hostEnd, ...down ? ["down"] : [], ...size(spec)]);
    }
    const isRight = host.isUp && host.alias === spec.alias && !down;
    // Left alone when correct: each change is an event that makes Open vSwitch check all its ports.
    if (!isRight) await setHostEnd(spec);
    await setPodEnd(spec, []);
    const route = [...await missingRoute(spec), ...await formerRoute(spec)];
    if (route.length > 0) {
      await inSandbox(netns, ["ip", "-batch", "-"], { stdin: `${route.join("\n")}\n` });
    }
  });
}

async function removeLinks(names: readonly string[], aliasPrefix: string): Promise<void> {
  if (names.length === 0) return;
  const links = await linksHere();
  const present = links.filter((link) => names.includes(link.name));
  const ours = present.filter((link) => isOurs(link, aliasPrefix)).map((link) => link.name);
  const [only] = ours;
  if (only !== undefined && ours.length === 1) await deleteLink(only);
  if (ours.length > 1) await deleteTogether(ours, links.map((link) => Number(link.group)));
  const foreign = present.map((link) => link.name).filter((name) => !ours.includes(name));
  if (foreign.length > 0) throw notOurs(foreign);
}

/** Deletes links as one group: the kernel waits once for all of them, not once for each. */
async function deleteTogether(names: readonly string[], taken: readonly number[]): Promise<void> {
  const group = removalGroup(taken);
  // -force continues if a link has disappeared by itself; whether all are gone is checked at the end.
  const grouped = ip(["-force", "-batch", "-"], {
    stdin: names.map((name) => `link set dev ${name} group ${group}\n`).join(""),
    limitMs: REMOVAL_LIMIT_MS,
  });
  await grouped.catch(() => {});
  await ip(["link", "delete", "group", String(group)], { limitMs: REMOVAL_LIMIT_MS })
    .catch((error) => orAbsent(error, names));
}

async function deleteLink(name: string): Promise<void> {
  await ip(["link", "delete", "dev", name], { limitMs: REMOVAL_LIMIT_MS })
    .catch((error) => orAbsent(error, [name]));
}

/** Throws `error`, unless none of the links exists any more. */
async function orAbsent(error: unknown, names: readonly string[]): Promise<void> {
  if ((await linksHere()).some((link) => names.includes(link.name))) throw error;
}

async function hostEnds(aliasPrefix: string): Promise<HostEnd[]> {
  return (await linksHere()).filter((link) => isOurs(link, aliasPrefix))
    .map(({ name, alias, isUp, mtu }) => ({ name, alias, isUp, mtu }));
}

function isOurs({ alias, group }: IpLink, aliasPrefix: string): boolean {
  return alias.startsWith(aliasPrefix) || (alias === "" && group === String(INCOMPLETE_GROUP));
}

async function podLinks(netns: string, netnsInode?: number): Promise<PodLink[]> {
  checkNetns(netns);
  const place = netnsInode === undefined ? { netns } : { netns, netnsInode };
  return await inSameSandbox(place, async () => {
    return (await linksIn(netns)).filter((link) => !link.isLoopback)
      .map(({ name, mac, mtu, isUp, addresses }) => ({ name, mac, mtu, isUp, addresses }));
  });
}

async function podGateways(netns: string, netnsInode?: number): Promise<string[]> {
  checkNetns(netns);
  const place = netnsInode === undefined ? { netns } : { netns, netnsInode };
  return await inSameSandbox(place, async () => {
    const json = await inSandbox(netns, ["ip", "-j", "-4", "route", "show", "default"]);
    return parseIpRoutes(json).flatMap(({ gateway }) => gateway ?? []);
  });
}

async function linkMtus(addresses: readonly string[]): Promise<number[]> {
  addresses.forEach(parseAddress);
  const wanted = new Set(addresses);
  const links = parseIpLinks(await ip(["-j", "-4", "address", "show"]));
  return links.filter((link) => link.addresses.some((one) => wanted.has(one.split("/")[0]!)))
    .map(({ mtu }) => mtu);
}

async function defaultRouteLinks(): Promise<string[]> {
  const shown = await Promise.all(
    ["-4", "-6"].map((family) => ip(["-j", family, "route", "show", "default"])),
  );
  const names = shown.flatMap(parseIpRoutes).flatMap((route) => route.interfaces);
  return [...new Set(names)];
}
