// Anti-spoofing flows of a port: what a pod may send. Pure.

import type { PortSpec, VlanSet } from "../switch.ts";
import { antispoofCookie } from "../openflow/cookies.ts";
import { type Flow, forwardAction, type Match } from "../openflow/flow.ts";

const [ALLOW_PRIORITY, DENY_PRIORITY] = [100, 110];
const DHCP_SERVER_PORT = 67;
const NONE: VlanSet = new Set();

/** What the anti-spoofing flows of a port depend on. */
export type AntispoofSpec = Pick<PortSpec, "mac" | "addresses" | "reach"> & {
  readonly tag?: number | undefined;
};

/**
 * Returns the anti-spoofing flows of a port: untagged frames with its MAC, as ARP with its own sender and
 * as IPv4 with its own source, are forwarded as a learning switch does, or go to the policy tables first
 * where its tag is one of `policyVlans` or it has a distributed gateway. Everything else from it meets the base flow: IPv6, other
 * ethertypes, tagged frames. A pod is never a DHCP server.
 */
export function antispoofFlows(
  ofport: number,
  spec: AntispoofSpec,
  policyVlans: VlanSet = NONE,
): Flow[] {
  const cookie = antispoofCookie(ofport);
  const own = { inPort: ofport, ethSrc: spec.mac, untagged: true } as const;
  const allow = (match: Match): Flow => ({
    cookie,
    priority: ALLOW_PRIORITY,
    match,
    action: forwardAction(spec.tag, policyVlans, { isDistributed: spec.reach !== undefined }),
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
