// A flow of table 0 as data, with only the fields that anti-spoofing needs, and as ovs-ofctl text;
// messages.ts encodes the same flow as OpenFlow bytes. Pure.

import type { VlanSet } from "../switch.ts";

/** One flow of table 0. */
export interface Flow {
  readonly cookie: bigint;
  readonly priority: number;
  readonly match: Match;
  /** Forwarded as a learning switch does, by access tags; dropped; or handed to the policy tables. */
  readonly action: "NORMAL" | "drop" | ToPolicyTables;
}

/** On to the policy tables, with the access tag that stands for the network. */
export interface ToPolicyTables {
  readonly tag: number;
}

/** First of the policy tables; the tag is in their register 0. */
export const POLICY_TABLE = 10;

/** Fields of a frame; absent ones match all. */
export interface Match {
  readonly inPort?: number;
  readonly ethSrc?: string;
  /** Only frames without an 802.1Q or 802.1ad tag. */
  readonly untagged?: true;
  readonly ipv4Src?: string;
  readonly arp?: { readonly spa: string; readonly sha: string };
  readonly udpSrc?: number;
}

/** Returns the action for a valid frame with that access tag: policies decide first where they apply. */
export function forwardAction(
  tag: number | undefined,
  policyVlans: VlanSet,
): "NORMAL" | ToPolicyTables {
  return tag !== undefined && policyVlans.has(tag) ? { tag } : "NORMAL";
}

/** Returns an action as `ovs-ofctl dump-flows` prints it. */
export function actionText(action: Flow["action"]): string {
  if (typeof action === "string") return action;
  return `set_field:0x${action.tag.toString(16)}->reg0,goto_table:${POLICY_TABLE}`;
}

/** Returns a flow in the text and field order of `ovs-ofctl dump-flows --no-stats`. */
export function flowText(flow: Flow): string {
  return `${matchText(flow)} actions=${actionText(flow.action)}`;
}

function matchText({ cookie, priority, match }: Flow): string {
  const { inPort, ethSrc, untagged, ipv4Src, arp, udpSrc } = match;
  const protocol = arp ? "arp" : udpSrc !== undefined ? "udp" : ipv4Src !== undefined ? "ip" : "";
  return `cookie=0x${cookie.toString(16)}, ` + [
    `priority=${priority}`,
    protocol,
    inPort === undefined ? "" : `in_port=${inPort}`,
    untagged ? "vlan_tci=0x0000/0x1fff" : "",
    ethSrc ? `dl_src=${ethSrc}` : "",
    ipv4Src ? `nw_src=${ipv4Src}` : "",
    arp ? `arp_spa=${arp.spa},arp_sha=${arp.sha}` : "",
    udpSrc === undefined ? "" : `tp_src=${udpSrc}`,
  ].filter(Boolean).join(",");
}
