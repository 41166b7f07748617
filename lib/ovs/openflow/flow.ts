// A flow of a port as data, with only the fields that ports need, and as ovs-ofctl text; messages.ts encodes
// the same flow as OpenFlow bytes. Pure.

import type { VlanSet } from "../switch.ts";
import { type Action, actionsText } from "./actions.ts";

/** One flow. */
export interface Flow {
  readonly cookie: bigint;
  /** @default 0 */
  readonly table?: number;
  readonly priority: number;
  readonly match: Match;
  /** Forwarded as a learning switch does, by access tags; dropped; handed to the policy tables; or as listed. */
  readonly action: "NORMAL" | "drop" | ToPolicyTables | readonly Action[];
}

/** On to the policy tables, with the access tag that stands for the network. */
export interface ToPolicyTables {
  readonly tag: number;
}

/** First of the policy tables; the tag is in their register 0. */
export const POLICY_TABLE = 10;

/** Where frames between ports of this host are delivered by flows; the tag is in register 0. */
export const DELIVERY_TABLE = 60;

/** Fields of a frame; absent ones match all. */
export interface Match {
  readonly inPort?: number;
  readonly ethSrc?: string;
  readonly ethDst?: string;
  /** Only frames without an 802.1Q or 802.1ad tag. */
  readonly untagged?: true;
  readonly ipv4Src?: string;
  readonly ipv4Dst?: string;
  /** ARP of this sender; with `asksFor`, only requests for that address. */
  readonly arp?: { readonly spa?: string; readonly sha?: string; readonly asksFor?: string };
  readonly udpSrc?: number;
  /** Access tag of the network, in register 0. */
  readonly reg0?: number;
}

/**
 * Returns the action for a valid frame with that access tag: policies decide first where they apply, and the
 * tables behind them where the network has a distributed gateway.
 */
export function forwardAction(
  tag: number | undefined,
  policyVlans: VlanSet,
  { isDistributed }: { readonly isDistributed: boolean },
): "NORMAL" | ToPolicyTables {
  return tag !== undefined && (isDistributed || policyVlans.has(tag)) ? { tag } : "NORMAL";
}

/** Returns an action as `ovs-ofctl dump-flows` prints it. */
export function actionText(action: Flow["action"]): string {
  if (typeof action === "string") return action;
  if (isList(action)) return actionsText(action);
  return `set_field:0x${action.tag.toString(16)}->reg0,goto_table:${POLICY_TABLE}`;
}

/** Returns a flow in the text and field order of `ovs-ofctl dump-flows --no-stats`. */
export function flowText(flow: Flow): string {
  return `${matchText(flow)} actions=${actionText(flow.action)}`;
}

/** Reports whether these are listed actions. */
export function isList(action: Flow["action"]): action is readonly Action[] {
  return Array.isArray(action);
}

function matchText({ cookie, table, priority, match }: Flow): string {
  const { inPort, ethSrc, ethDst, untagged, ipv4Src, ipv4Dst, arp, udpSrc, reg0 } = match;
  const isIpv4 = ipv4Src !== undefined || ipv4Dst !== undefined;
  const protocol = arp ? "arp" : udpSrc !== undefined ? "udp" : isIpv4 ? "ip" : "";
  const where = table ? `table=${table}, ` : "";
  return `cookie=0x${cookie.toString(16)}, ${where}` + [
    `priority=${priority}`,
    protocol,
    reg0 === undefined ? "" : `reg0=0x${reg0.toString(16)}`,
    inPort === undefined ? "" : `in_port=${inPort}`,
    untagged ? "vlan_tci=0x0000/0x1fff" : "",
    ethSrc ? `dl_src=${ethSrc}` : "",
    ethDst ? `dl_dst=${ethDst}` : "",
    ipv4Src ? `nw_src=${ipv4Src}` : "",
    ipv4Dst ? `nw_dst=${ipv4Dst}` : "",
    arp ? arpText(arp) : "",
    udpSrc === undefined ? "" : `tp_src=${udpSrc}`,
  ].filter(Boolean).join(",");
}

function arpText({ spa, sha, asksFor }: NonNullable<Match["arp"]>): string {
  return [
    spa ? `arp_spa=${spa}` : "",
    asksFor ? `arp_tpa=${asksFor},arp_op=1` : "",
    sha ? `arp_sha=${sha}` : "",
  ].filter(Boolean).join();
}
