// Flows of the tunnel bridge. Pure; lines as `ovs-ofctl dump-flows --no-stats --no-names` prints them,
// so that the difference to what is there can be told by text.
//
// One table, four kinds of flows per network, and nothing else passes:
//   an ARP request of a pod here for a member is answered on the spot: it never costs the wire a frame
//   a frame for a member's MAC goes to its VTEP and to no other
//   any other frame (broadcast, multicast, unknown) goes to each VTEP with members, and to no other
//   a frame out of the tunnel goes to the integration bridge, if its VNI and sender belong together
// The tunnel's frames can only go to the patch, and the patch's only into the tunnel or, as an answer,
// back: no loop between hosts. The local tag is taken off before the tunnel and put on after it.
// One tunnel port serves all: destination and VNI are set per frame. A port per host and network, the
// other way, makes ovs-vswitchd walk thousands of ports at each change.

import { LINK_COOKIES } from "../flows.ts";
import type { Member, OverlayNetwork } from "./wish.ts";
import { vtepsOf } from "./wish.ts";

const [ARP_PRIORITY, KNOWN_PRIORITY, PASS_PRIORITY] = [300, 200, 100];

// Bit 12 of an OpenFlow vlan_vid says that there is a tag (OpenFlow 1.3.5, §7.2.3.7).
const TAG_PRESENT = 0x1000;

/** OpenFlow numbers of the tunnel bridge's two ports. */
export interface OverlayPorts {
  readonly patch: number;
  readonly tunnel: number;
}

/** Gives all flows of the tunnel bridge. */
export function overlayFlows(
  networks: readonly OverlayNetwork[],
  ports: OverlayPorts,
): string[] {
  return [
    `${cookieOf(0)}, priority=0 actions=drop`,
    ...networks.flatMap((network) => networkFlows(network, ports)),
  ];
}

function networkFlows(network: OverlayNetwork, ports: OverlayPorts): string[] {
  const { vni, localTag, members } = network;
  const vteps = vtepsOf([network]);
  if (vteps.length === 0) return []; // nobody to talk to
  const cookie = cookieOf(vni);
  const fromPods = `in_port=${ports.patch},dl_vlan=${localTag}`;
  const wrap = `pop_vlan,set_field:${hex(vni)}->tun_id`;
  const to = (vtep: string) => `set_field:${vtep}->tun_dst,output:${ports.tunnel}`;
  const macs = new Map(members.map(({ mac, vtep }) => [mac, vtep]));
  return [
    ...members.map((member) =>
      `${cookie}, priority=${ARP_PRIORITY},arp,${fromPods},arp_tpa=${member.ip},arp_op=1` +
      ` actions=${arpAnswer(member)}`
    ),
    ...[...macs].map(([mac, vtep]) =>
      `${cookie}, priority=${KNOWN_PRIORITY},${fromPods},dl_dst=${mac} actions=${wrap},${to(vtep)}`
    ),
    `${cookie}, priority=${PASS_PRIORITY},${fromPods} actions=${[wrap, ...vteps.map(to)].join()}`,
    ...vteps.map((vtep) =>
      `${cookie}, priority=${PASS_PRIORITY},tun_id=${hex(vni)},tun_src=${vtep},` +
      `in_port=${ports.tunnel},vlan_tci=0x0000/0x1fff actions=push_vlan:0x8100,` +
      `set_field:${TAG_PRESENT | localTag}->vlan_vid,output:${ports.patch}`
    ),
  ];
}

// The request turned round: the asker becomes the target, the member the sender (RFC 826).
function arpAnswer({ ip, mac }: Member): string {
  return [
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
    `set_field:${mac}->eth_src`,
    "set_field:2->arp_op",
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]",
    `set_field:${mac}->arp_sha`,
    "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]",
    `set_field:${ip}->arp_spa`,
    "IN_PORT",
  ].join();
}

function cookieOf(vni: number): string {
  return `cookie=0x${(LINK_COOKIES.overlay.value | BigInt(vni)).toString(16)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
