// Guard flows of a port: what a pod may send. Pure; the same flow is given as ovs-ofctl text here
// and as OpenFlow bytes in openflow.ts.

import type { PortSpec } from "../switch.ts";

/** One entry of table 0, with only the fields that guards need. */
export interface Flow {
  readonly cookie: bigint;
  readonly priority: number;
  readonly match: Match;
  /** As a learning switch forwards, by access tags; dropped; or first what policies say. */
  readonly action: "NORMAL" | "drop" | Policed;
}

/** On to the policy tables, with the access tag that stands for the network. */
export interface Policed {
  readonly tag: number;
}

/** Some access tags. */
export interface TagSet {
  has(tag: number): boolean;
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

// "k8" in front, so that our flows are found among others'; then the kind, then the OpenFlow number.
const BASE_COOKIE = 0x6b38_0000_0000_0000n;
const GUARD_COOKIE = 0x6b38_0001_0000_0000n;

/** Cookies that have the bits under `mask` in common with `value`. */
export interface CookieSet {
  readonly value: bigint;
  readonly mask: bigint;
}

/** Cookies of base and guard flows, whatever the port. */
export const OUR_COOKIES: CookieSet = { value: BASE_COOKIE, mask: 0xffff_fffe_0000_0000n };

/** Cookies of flows that are ours and no pod's, by kind; outside of OUR_COOKIES, so that guards' syncs pass them by. */
export const LINK_COOKIES = {
  uplink: kindOf(0x6b38_0002n),
  patch: kindOf(0x6b38_0003n),
  overlay: kindOf(0x6b38_0004n),
} as const;

/** Cookies of the policy tables; the lower half is the number of a policy. */
export const POLICY_COOKIES: CookieSet = kindOf(0x6b38_0006n);

/**
 * Cookies of flows that the tunnel bridge learns: the kind's last three digits are the local tag, the
 * lower half is the VNI.
 */
export const LEARNED_COOKIES: CookieSet = {
  value: 0x6b38_5000_0000_0000n,
  mask: 0xffff_f000_0000_0000n,
};

/** Mask under which a cookie stands for itself only. */
export const WHOLE_COOKIE = 0xffff_ffff_ffff_ffffn;

const [ALLOW_PRIORITY, DENY_PRIORITY] = [100, 110];
const DHCP_SERVER_PORT = 67;
const NONE: TagSet = new Set();

/** Returns the cookie that all guard flows of the port with OpenFlow number `ofport` carry. */
export function cookieOf(ofport: number): bigint {
  return GUARD_COOKIE | BigInt(ofport);
}

/** Flows that a bridge of ours always has: what no other flow lets pass is dropped. */
export const BASE_FLOWS: readonly Flow[] = [
  { cookie: BASE_COOKIE, priority: 0, match: {}, action: "drop" },
];

/** What guards need to know of a port. */
export type AntispoofSpec = Pick<PortSpec, "mac" | "addresses"> & {
  readonly tag?: number | undefined;
};

/**
 * Returns the guard flows of a port: untagged frames with its MAC, as ARP with its own sender and as
 * IPv4 with its own source, go where a learning switch sends them, or first to the policies where its
 * tag is one of `policed`. All else of it meets the base flow: IPv6, other ethertypes, tagged frames.
 * A pod is no DHCP server.
 */
export function antispoofFlows(
  ofport: number,
  spec: AntispoofSpec,
  policed: TagSet = NONE,
): Flow[] {
  const cookie = cookieOf(ofport);
  const own = { inPort: ofport, ethSrc: spec.mac, untagged: true } as const;
  const allow = (match: Match): Flow => ({
    cookie,
    priority: ALLOW_PRIORITY,
    match,
    action: onwards(spec.tag, policed),
  });
  return [
    {
      cookie,
      priority: DENY_PRIORITY,
      match: { inPort: ofport, udpSrc: DHCP_SERVER_PORT },
      action: "drop",
    },
    ...spec.addresses.flatMap((address) => [
      allow({ ...own, arp: { spa: address, sha: spec.mac } }),
      allow({ ...own, ipv4Src: address }),
    ]),
  ];
}

/** Returns where a good frame of a port with that access tag goes. */
export function onwards(tag: number | undefined, policed: TagSet): "NORMAL" | Policed {
  return tag !== undefined && policed.has(tag) ? { tag } : "NORMAL";
}

/** Returns an action in the words of `ovs-ofctl dump-flows`. */
export function actionText(action: Flow["action"]): string {
  if (typeof action === "string") return action;
  return `set_field:0x${action.tag.toString(16)}->reg0,goto_table:${POLICY_TABLE}`;
}

/** Returns a flow in the words and order in which `ovs-ofctl dump-flows --no-stats` prints it. */
export function flowText(flow: Flow): string {
  return `${matchText(flow)} actions=${actionText(flow.action)}`;
}

/** Returns the flow's own line without actions: what `delete_strict` wants. */
export function matchText({ cookie, priority, match }: Flow): string {
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

/**
 * Returns the lines for `ovs-ofctl --bundle add-flows` that turn `have` into `want`, both as flowText
 * gives them. What stays is not named, so that it keeps its counters.
 */
export function planFlows(have: readonly string[], want: readonly string[]): string[] {
  const [haveSet, wantSet] = [new Set(have), new Set(want)];
  const gone = [...haveSet].filter((line) => !wantSet.has(line));
  return [
    ...gone.map((line) => `delete_strict ${deletionOf(line)}`),
    ...[...wantSet].filter((line) => !haveSet.has(line)).map((line) => `add ${line}`),
  ];
}

/**
 * Returns what deletes the flow of a line: its match and cookie, without what it does, how long, and
 * the flags that somebody else's tool gave it.
 */
function deletionOf(line: string): string {
  return line.replace(/ actions=.*$/, "")
    .replace(/ (idle_timeout|hard_timeout|importance)=\d+,/g, "")
    .replace(/ (send_flow_rem|check_overlap|reset_counts|no_packet_counts|no_byte_counts)\b/g, "")
    .replace(",", "/-1,");
}

function kindOf(kind: bigint): CookieSet {
  return { value: kind << 32n, mask: 0xffff_ffff_0000_0000n };
}
