// The overlay as a whole: rows, flows, neighbours; whatever is right already is not touched.
//
// After a restart of ovs-vswitchd both bridges are there (rows) and let nothing through (fail_mode
// secure, no flows). The pods' own flows come back first; what leaves by the patch meets an empty
// tunnel bridge and is dropped, until the next look has called this again.

import { LEARNED_COOKIES, LINK_COOKIES } from "../openflow/cookies.ts";
import type { VlanSet } from "../switch.ts";
import { findLinks, type Links, numberOf, ourBridge } from "../ovsdb/link_rows.ts";
import {
  PATCH_ON_INTEGRATION,
  PATCH_ON_TUNNEL,
  UPLINK_KIND,
  VXLAN_PORT,
} from "../ovsdb/port_names.ts";
import { trunkFlows } from "../uplink/trunk.ts";
import { settingsOf } from "../ovsdb/bridge.ts";
import type { OvsTools } from "../transport/ovs_tools.ts";
import { learnedCookieOf, tunnelFlows } from "./tunnel_flows.ts";
import type { VtepNeighbours } from "./vtep_neighbours.ts";
import { OVERLAY_PORTS, planNoTunnel, planTunnel, type TunnelPlace } from "./tunnel_rows.ts";
import { type DesiredTunnel, type Member, type TunnelNetwork, vtepsOf } from "./desired_tunnel.ts";
import { parseTunnel, withoutOwn } from "./desired_tunnel.ts";

/** What the caller may want to tell of an overlay that is in place. */
export interface TunnelReport {
  /** VTEPs that answer no ARP, or to which there is no route; all others are served. */
  readonly unreachable: readonly string[];
  /** Members left out, as their VTEP is this host's own: two hosts have one address. */
  readonly own: readonly Member[];
}

/** What setOverlay works with. */
export interface TunnelTools {
  /** On the integration bridge. */
  readonly tools: OvsTools;
  /** On the tunnel bridge. */
  readonly tunnel: OvsTools;
  readonly neighbours: VtepNeighbours;
  readonly place: TunnelPlace;
  readonly policed?: VlanSet | undefined;
}

/** Makes the overlay as wished. Faults: usage, conflict, not_found, failed, and those of tools. */
export async function setTunnel(
  overlay: TunnelTools,
  wish: DesiredTunnel | undefined,
  endMs: number,
): Promise<TunnelReport> {
  if (!wish) return await removeOverlay(overlay, endMs);
  const { hosts } = wish;
  const { networks, own } = withoutOwn(parseTunnel(wish));
  const localTags = networks.map(({ localTag }) => localTag);
  const links = await ensureRows(overlay, { localIp: wish.localIp, localTags }, endMs);
  const [unreachable] = await Promise.all([
    resolve(overlay, { links, networks, endMs }),
    setFlows(overlay, { links, networks, hosts, localTags, endMs }),
  ]);
  return { unreachable, own };
}

async function ensureRows(
  { tools, place }: TunnelTools,
  wish: { readonly localIp: string; readonly localTags: readonly number[] },
  endMs: number,
): Promise<Links> {
  const seen = await findLinks(tools, { names: OVERLAY_PORTS, kind: UPLINK_KIND, endMs });
  const words = planTunnel(seen, wish, place);
  if (words.length === 0) return seen;
  await tools.vsctl(words, endMs);
  return await findLinks(tools, { names: OVERLAY_PORTS, endMs });
}

async function setFlows(
  { tools, tunnel, policed }: TunnelTools,
  { links, networks, hosts, localTags, endMs }: {
    readonly links: Links;
    readonly networks: readonly TunnelNetwork[];
    readonly hosts: readonly string[];
    readonly localTags: readonly number[];
    readonly endMs: number;
  },
): Promise<void> {
  const ports = {
    patch: numberOf(PATCH_ON_TUNNEL, links),
    tunnel: numberOf(VXLAN_PORT, links),
  };
  const cookies = LINK_COOKIES.patch;
  const ofport = numberOf(PATCH_ON_INTEGRATION, links);
  // A local tag may have been another network's: what was learned of that one goes first.
  const here = new Set(networks.map(learnedCookieOf));
  const isKept = (cookie: bigint) => here.has(cookie);
  await tunnel.syncLines([], { endMs, cookies: LEARNED_COOKIES, isKept });
  await Promise.all([
    tunnel.syncLines(tunnelFlows({ networks, hosts }, ports), {
      endMs,
      cookies: LINK_COOKIES.tunnel,
    }),
    tools.syncLines(trunkFlows({ ofport, tags: localTags, cookies, policed }), { endMs, cookies }),
  ]);
}

async function resolve(
  { neighbours, place }: TunnelTools,
  { links, networks, endMs }: {
    readonly links: Links;
    readonly networks: readonly TunnelNetwork[];
    readonly endMs: number;
  },
): Promise<string[]> {
  if (settingsOf(ourBridge(links, place)).datapath !== "netdev") return [];
  return await neighbours.resolve(vtepsOf(networks), endMs);
}

async function removeOverlay(
  { tools, place }: TunnelTools,
  endMs: number,
): Promise<TunnelReport> {
  const seen = await findLinks(tools, { names: OVERLAY_PORTS, endMs });
  const words = planNoTunnel(seen, place);
  if (words.length > 0) {
    await tools.syncLines([], { endMs, cookies: LINK_COOKIES.patch }); // before its number is free
    await tools.vsctl(words, endMs);
  }
  return { unreachable: [], own: [] };
}
