// Flows of the integration bridge for networks with a distributed gateway: those that are the same for all pods
// of a network here, and those for pods on other hosts. A pod's own come with its port
// (ovs/ports/port_reach_flows.ts). Pure.
//
// All frames of these networks enter table 10 with their tag in reg0. What policies allow, and everything in
// networks without one, goes on here:
//
//   40  forward: from the host, or routed: 54. For a pod here that uses services: 41. For the gateway's MAC: 42.
//       All else as a learning switch does.
//   41  answers: those to connections from services go back through the host, which undoes its translation.
//   42  gateway: to the host where a word of `reach` opens it, to another host, or to a routed network.
//   43  to the host: the address of a pod with an alias is translated first, 44 comes after that.
//   45  into the host; 46 to another host's gateway.
//   50  from the host: to an alias, through 53. A packet with a pod's own address is one to a service, which the
//       host has translated: through 52, where the asker's network decides, as networks may have the same
//       addresses. All else through 51: the network that owns the address.
//   54  deliver, by network and address. An address of a network that this one is routed to: once more through
//       table 10 as that network's, so that the policies of both see the packet.
//
// What comes from the host is never forwarded by MAC (NORMAL): nothing is learned from it and nothing flooded.
// Each ct() leads to a table that compares ct_zone: the userspace datapath releases fragments of long
// datagrams with whichever packet comes next to any ct(), be it another network's (policy/flows/pipeline.ts).
// Copies of fragments, which end in a zone of their own, make it release the rest at once.
//
// Policies do not judge the host's own packets to pods here, as Kubernetes demands for probes. They judge a
// packet to a service when it comes back from the host, with its backend's address.
//
// What the host remembers decides where the switch does not: answers to strangers, and `host` against
// `outside`, are the packet filter's matter (packet_filter.ts).

import { networkRows, onlyHolders } from "./network_rows.ts";
import type { ReachModel } from "./reach_model.ts";
import type { BridgePorts, PolicyTags, TunnelBridgePorts } from "./reach_ports.ts";
import {
  bare,
  flowOfRow,
  type FlowRow,
  hex,
  REACH_TABLES as T,
  resubmit,
  TO_GATEWAY,
} from "./reach_tables.ts";

/** "This host", loopback, link-local and so cloud metadata, multicast and broadcast (RFC 6890). */
export const NOWHERE = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];

/** Returns the flows of the integration bridge, each once; none without networks. */
export function bridgeFlows(model: ReachModel, ports: BridgePorts, policed: PolicyTags): string[] {
  if (model.networks.length === 0) return [];
  const around = { model, ports, policed, holders: onlyHolders(model) };
  const rows = [
    ...hostPortRows(model, ports),
    ...gatewayRows(model),
    ...model.networks.flatMap((network) => networkRows(network, around)),
  ];
  return [...new Set(rows.map(flowOfRow))];
}

/**
 * Returns the flows of the tunnel bridge, by which frames to another host's gateway get there. Only networks
 * with a VNI, and hosts with a tunnel address.
 */
export function gatewayTunnelFlows(
  { others, networks }: Pick<ReachModel, "others" | "networks">,
  { patch, tunnel }: TunnelBridgePorts,
): string[] {
  const hosts = others.flatMap(({ mac, vtep }): FlowRow[] => {
    if (vtep === undefined) return [];
    const to = `set_field:${vtep}->tun_dst,${resubmit(TO_GATEWAY)}`;
    return [[0, 210, `in_port=${patch},dl_dst=${mac}`, to]];
  });
  if (hosts.length === 0) return [];
  const wrapped = networks.flatMap(({ tag, vni }): FlowRow[] => {
    if (vni === undefined) return [];
    const actions = `pop_vlan,set_field:${hex(vni)}->tun_id,output:${tunnel}`;
    return [[TO_GATEWAY, 100, `dl_vlan=${tag}`, actions]];
  });
  return [...hosts, ...wrapped].map(flowOfRow);
}

function hostPortRows(
  { self: { node, mac }, serviceCidrs }: ReachModel,
  { host }: BridgePorts,
): FlowRow[] {
  return [
    // A redirect would lead pods past the gateway.
    [0, 110, `icmp,in_port=${host},icmp_type=5`, "drop"],
    [0, 100, `ip,in_port=${host},vlan_tci=0x0000/0x1fff`, resubmit(T.fromHost)],
    [T.entry, 50, `ip,in_port=${host},nw_src=${node}`, resubmit(T.forward)],
    // Answers of services: their questions were judged with the backend's address.
    ...serviceCidrs.map((cidr): FlowRow => [
      ...[T.entry, 45] as const,
      `ip,in_port=${host},nw_src=${bare(cidr)}`,
      resubmit(T.forward),
    ]),
    [T.forward, 110, `in_port=${host}`, resubmit(T.deliver)],
    [T.fromHost, 0, "", resubmit(T.byAddress)],
    [T.intoHost, 100, "vlan_tci=0x1000/0x1000", `pop_vlan,${resubmit(T.intoHost)}`],
    [T.intoHost, 0, "", `set_field:${mac}->eth_dst,output:${host}`],
  ];
}

function gatewayRows({ self, others, networks, aliasRange }: ReachModel): FlowRow[] {
  const to = (block: string) => `ip,nw_dst=${bare(block)}`;
  const pods = [...networks.map(({ subnet }) => subnet), aliasRange];
  return [
    [T.forward, 90, "reg10=0x1", resubmit(T.deliver)],
    [T.forward, 80, `ip,dl_dst=${self.mac}`, resubmit(T.gateway)],
    [T.forward, 0, "", "NORMAL"],
    ...[self.node, self.nat].map((one): FlowRow => [T.gateway, 110, to(one), resubmit(T.toHost)]),
    ...others.flatMap(({ node, nat, mac }) =>
      [node, nat].map((one): FlowRow => [
        ...[T.gateway, 100, to(one)] as const,
        `set_field:${mac}->eth_dst,${resubmit(T.toOtherHost)}`,
      ])
    ),
    // Pods of networks that this one is not routed to are not the outside.
    ...pods.map((subnet): FlowRow => [T.gateway, 85, to(subnet), "drop"]),
    ...NOWHERE.map((block): FlowRow => [T.gateway, 75, to(block), "drop"]),
    [T.toHost, 0, "", resubmit(T.intoHost)],
  ];
}
