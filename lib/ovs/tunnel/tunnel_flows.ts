// Flows of the tunnel bridge. Pure; as text in the form that `ovs-ofctl dump-flows --no-stats --no-names`
// prints, so that they can be compared with the existing ones.
//
// Table 0, from the pods of this host:
//   an ARP request for a member is answered on the spot, and also sent to that member alone: it then knows
//   the asker, even where its own host does not know the asker's record yet
//   a frame for a member's MAC goes to its VTEP only
//   any other unicast frame goes on to table 2, the rest to each VTEP with members
// Table 0, from the tunnel: only from VTEPs of the cluster's hosts, on to table 1.
// Table 1 adds the local tag, learns into table 2 behind which VTEP the sender is, and sends the frame to
// the integration bridge; a VNI without pods here matches nothing and is dropped.
// Table 2: unicast to a learned MAC that is not a known member yet; anything else is flooded.
//
// Why it learns: the host of a new pod may know the pod's peers before they know it. Without learning the
// first answer to such a pod would be lost, until its record had reached the peer's host.
//
// Frames from the tunnel can only go to the patch, and those from the patch only into the tunnel or, as
// an answer, back: no loop between hosts. The local tag is removed before the tunnel and added after it.
// One tunnel port serves all: destination and VNI are set per frame. The alternative, a port per host and
// network, makes ovs-vswitchd walk thousands of ports at each change.

import { LEARNED_COOKIES, LINK_COOKIES } from "../openflow/cookies.ts";
import type { DesiredTunnel, Member, TunnelNetwork } from "./desired_tunnel.ts";
import { vtepsOf } from "./desired_tunnel.ts";

const [ARP_PRIORITY, KNOWN_PRIORITY, UNICAST_PRIORITY, PASS_PRIORITY] = [300, 200, 150, 100];
const [ARRIVED, LEARNED] = [1, 2];

// Records reach all hosts within seconds; what is learned is only needed until then.
const LEARN_S = 60;

// Bit 12 of an OpenFlow vlan_vid means that the frame has a tag (OpenFlow 1.3.5, §7.2.3.7).
const TAG_PRESENT = 0x1000;

/** OpenFlow port numbers of the tunnel bridge's two ports. */
export interface TunnelPorts {
  readonly patch: number;
  readonly tunnel: number;
}

/** Returns all flows of the tunnel bridge, except those that it learns. */
export function tunnelFlows(
  { networks, hosts }: Pick<DesiredTunnel, "networks" | "hosts">,
  ports: TunnelPorts,
): string[] {
  const known = [...new Set([...hosts, ...vtepsOf(networks)])].sort();
  const cookie = cookieOf(0);
  return [
    `${cookie}, priority=0 actions=drop`,
    ...known.map((vtep) =>
      `${cookie}, priority=${PASS_PRIORITY},tun_src=${vtep},in_port=${ports.tunnel}` +
      ` actions=resubmit(,${ARRIVED})`
    ),
    ...networks.flatMap((network) => networkFlows(network, ports)),
  ];
}

/** Returns the cookie of a network's learned flows: it contains VNI and local tag. */
export function learnedCookieOf({ vni, localTag }: TunnelNetwork): bigint {
  return LEARNED_COOKIES.value | BigInt(localTag) << 32n | BigInt(vni);
}

function networkFlows(network: TunnelNetwork, ports: TunnelPorts): string[] {
  const { vni, localTag, members } = network;
  const cookie = cookieOf(vni);
  const fromPods = `in_port=${ports.patch},dl_vlan=${localTag}`;
  const wrap = `pop_vlan,set_field:${hex(vni)}->tun_id`;
  const to = (vtep: string) => `set_field:${vtep}->tun_dst,output:${ports.tunnel}`;
  const macs = new Map(members.map(({ mac, vtep }) => [mac, vtep]));
  const toAll = [wrap, ...vtepsOf([network]).map(to)].join();
  const flood = vtepsOf([network]).length === 0 ? "drop" : toAll;
  return [
    ...members.map((member) =>
      `${cookie}, priority=${ARP_PRIORITY},arp,${fromPods},arp_tpa=${member.ip},arp_op=1` +
      ` actions=clone(${wrap},${to(member.vtep)}),${arpAnswer(member)}`
    ),
    ...[...macs].map(([mac, vtep]) =>
      `${cookie}, priority=${KNOWN_PRIORITY},${fromPods},dl_dst=${mac} actions=${wrap},${to(vtep)}`
    ),
    `${cookie}, priority=${UNICAST_PRIORITY},${fromPods},` +
    `dl_dst=00:00:00:00:00:00/01:00:00:00:00:00 actions=resubmit(,${LEARNED})`,
    `${cookie}, priority=${PASS_PRIORITY},${fromPods} actions=${flood}`,
    `${cookie}, table=${ARRIVED}, priority=${PASS_PRIORITY},tun_id=${hex(vni)},` +
    `vlan_tci=0x0000/0x1fff actions=push_vlan:0x8100,` +
    `set_field:${TAG_PRESENT | localTag}->vlan_vid,${learn(network)},output:${ports.patch}`,
    `${cookie}, table=${LEARNED}, priority=0,dl_vlan=${localTag} actions=${flood}`,
  ];
}

/** Learns, from a frame that has its tag already, behind which VTEP its sender is. */
function learn(network: TunnelNetwork): string {
  return `learn(table=${LEARNED},idle_timeout=${LEARN_S},priority=${PASS_PRIORITY},` +
    `cookie=${hex(learnedCookieOf(network))},NXM_OF_VLAN_TCI[0..11],` +
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[]," +
    "load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[]," +
    "load:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_TUN_IPV4_DST[],output:OXM_OF_IN_PORT[])";
}

// The request is turned into its answer: the asker becomes the target, the member the sender (RFC 826).
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
  return `cookie=0x${(LINK_COOKIES.tunnel.value | BigInt(vni)).toString(16)}`;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
