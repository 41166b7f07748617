// The VXLAN tunnel as a whole: rows, flows, neighbours; what is right already is not touched.
//
// After a restart of ovs-vswitchd both bridges exist (rows) and let nothing through (fail_mode secure, no
// flows). The pods' own flows come back first; what leaves by the patch meets an empty tunnel bridge
// and is dropped, until the next reconciliation has called this again.

import { LEARNED_COOKIES, LINK_COOKIES } from "../openflow/cookies.ts";
import type { VlanSet } from "../switch.ts";
import { findLinks, type Links, openFlowNumber, ourBridge } from "../bridge/link_rows.ts";
import {
  PATCH_ON_INTEGRATION,
  PATCH_ON_TUNNEL,
  UPLINK_KIND,
  VXLAN_PORT,
} from "../bridge/port_names.ts";
import { trunkFlows } from "../uplink/trunk.ts";
import { settingsOf } from "../bridge/bridge.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";
import { learnedCookieOf, tunnelFlows } from "./tunnel_flows.ts";
import type { VtepNeighbours } from "./vtep_neighbours.ts";
import { planNoTunnel, planTunnel, TUNNEL_PORTS, type TunnelPlace } from "./tunnel_rows.ts";
import { type DesiredTunnel, type Member, type TunnelNetwork, vtepsOf } from "./desired_tunnel.ts";
import { parseTunnel, withoutOwn } from "./desired_tunnel.ts";

/** What the caller may report of a tunnel that is in place. */
export interface TunnelReport {
  /** VTEPs that do not answer ARP, or to which there is no route; all others are served. */
  readonly unreachable: readonly string[];
  /** Members left out because their VTEP is this host's own: two hosts have one address. */
  readonly own: readonly Member[];
}

/** What setTunnel works with. */
export interface TunnelTools {
  /** On the integration bridge. */
  readonly tools: OvsTools;
  /** On the tunnel bridge. */
  readonly tunnelTools: OvsTools;
  readonly neighbours: VtepNeighbours;
  readonly place: TunnelPlace;
  readonly policyVlans?: VlanSet | undefined;
}

/** Creates, changes or removes the tunnel. Faults: usage, conflict, not_found, failed, and those of tools. */
export async function setTunnel(
  tools: TunnelTools,
  desired: DesiredTunnel | undefined,
  endMs: number,
): Promise<TunnelReport> {
  if (!desired) return await removeTunnel(tools, endMs);
  const { hosts } = desired;
  const { networks, own } = withoutOwn(parseTunnel(desired));
  const localTags = networks.map(({ localTag }) => localTag);
  const links = await ensureRows(tools, { localIp: desired.localIp, localTags }, endMs);
  const [unreachable] = await Promise.all([
    resolve(tools, { links, networks, endMs }),
    setFlows(tools, { links, networks, hosts, localTags, endMs }),
  ]);
  return { unreachable, own };
}

async function ensureRows(
  { tools, place }: TunnelTools,
  desired: { readonly localIp: string; readonly localTags: readonly number[] },
  endMs: number,
): Promise<Links> {
  const seen = await findLinks(tools, { names: TUNNEL_PORTS, kind: UPLINK_KIND, endMs });
  const args = planTunnel(seen, desired, place);
  if (args.length === 0) return seen;
  await tools.vsctl(args, endMs);
  return await findLinks(tools, { names: TUNNEL_PORTS, endMs });
}

async function setFlows(
  { tools, tunnelTools, policyVlans }: TunnelTools,
  { links, networks, hosts, localTags, endMs }: {
    readonly links: Links;
    readonly networks: readonly TunnelNetwork[];
    readonly hosts: readonly string[];
    readonly localTags: readonly number[];
    readonly endMs: number;
  },
): Promise<void> {
  const ports = {
    patch: openFlowNumber(PATCH_ON_TUNNEL, links),
    tunnel: openFlowNumber(VXLAN_PORT, links),
  };
  const cookies = LINK_COOKIES.patch;
  const ofport = openFlowNumber(PATCH_ON_INTEGRATION, links);
  const distributedTags = networks.filter(({ isDistributed }) => isDistributed)
    .map(({ localTag }) => localTag);
  // The local tag may have belonged to another network: what was learned for that one goes first.
  const here = new Set(networks.map(learnedCookieOf));
  const isKept = (cookie: bigint) => here.has(cookie);
  await tunnelTools.syncFlowTexts([], { endMs, cookies: LEARNED_COOKIES, isKept });
  await Promise.all([
    tunnelTools.syncFlowTexts(tunnelFlows({ networks, hosts }, ports), {
      endMs,
      cookies: LINK_COOKIES.tunnel,
    }),
    tools.syncFlowTexts(
      trunkFlows({ ofport, tags: localTags, distributedTags, cookies, policyVlans }),
      { endMs, cookies },
    ),
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

async function removeTunnel(
  { tools, place }: TunnelTools,
  endMs: number,
): Promise<TunnelReport> {
  const seen = await findLinks(tools, { names: TUNNEL_PORTS, endMs });
  const args = planNoTunnel(seen, place);
  if (args.length > 0) {
    await tools.syncFlowTexts([], { endMs, cookies: LINK_COOKIES.patch }); // before its number is free
    await tools.vsctl(args, endMs);
  }
  return { unreachable: [], own: [] };
}
