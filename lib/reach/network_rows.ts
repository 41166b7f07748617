// The flows of one network with a distributed gateway on the integration bridge; see bridge_flows.ts. Pure.

import type { ReachModel, ReachNetwork } from "./reach_model.ts";
import type { BridgePorts, PolicyTags } from "./reach_ports.ts";
import {
  aliasZone,
  bare,
  COPIES,
  type FlowRow,
  ofNetwork,
  outTagged,
  REACH_TABLES as T,
  resubmit,
  serviceZone,
  setNetwork,
} from "./reach_tables.ts";

/** See `onlyHolders`. */
type OnlyHolders = ReadonlyMap<string, number | undefined>;

/** What the flows of a network depend on beside the network. */
export interface NetworkSurroundings {
  readonly model: ReachModel;
  readonly holders: OnlyHolders;
  readonly ports: BridgePorts;
  readonly policed: PolicyTags;
}

/** A network with its neighbours. */
interface Placed extends NetworkSurroundings {
  readonly network: ReachNetwork;
  readonly routed: readonly ReachNetwork[];
  readonly isOwner: boolean;
  /** Port to other hosts; undefined where there is none. */
  readonly trunk: number | undefined;
}

// ct() translates no invalid packet, such as a fragment below 1,200 bytes or an answer that nobody has asked for.
// With its own address, an aliased pod would pass for its twin.
const TRANSLATED = "-inv+trk";

/** Returns the flows of `network`. */
export function networkRows(network: ReachNetwork, around: NetworkSurroundings): FlowRow[] {
  const { model: { networks }, ports } = around;
  const placed: Placed = {
    ...around,
    network,
    routed: networks.filter(({ id }) => network.routedTo.includes(id)),
    isOwner: network.aliasedBecause === undefined,
    trunk: network.vni === undefined ? ports.uplink : ports.patch,
  };
  return [
    ...trunkRows(placed),
    ...entryRows(placed),
    ...answerRows(placed),
    ...gatewayRows(placed),
    ...fromHostRows(placed),
    ...placed.isOwner ? [] : aliasRows(placed),
    ...deliveryRows(placed),
  ];
}

/** What comes in from other hosts for this host's gateway: only answers to the host's own addresses. */
function trunkRows({ network, model: { self }, isOwner, trunk }: Placed): FlowRow[] {
  if (trunk === undefined) return [];
  const { tag, subnet, gateway } = network;
  const from = `in_port=${trunk},dl_vlan=${tag}`;
  // In the host's stack, an aliased network's pod would pass for its twin.
  const answered = isOwner ? [self.node, self.nat] : [];
  return [
    ...answered.map((one): FlowRow => [
      ...[0, 115] as const,
      `ip,${from},dl_dst=${self.mac},nw_src=${bare(subnet)},nw_dst=${one}`,
      `pop_vlan,${resubmit(T.intoHost)}`,
    ]),
    [0, 113, `arp,${from},arp_spa=${gateway}`, "drop"],
    [0, 113, `${from},dl_src=${self.mac}`, "drop"],
    [0, 112, `${from},dl_dst=${self.mac}`, "drop"],
  ];
}

/** Past the policies, or on where the network has none. */
function entryRows({ network: { tag, reach }, model, policed }: Placed): FlowRow[] {
  const { self, serviceCidrs } = model;
  const toGateway = `ip,${ofNetwork(tag)},dl_dst=${self.mac}`;
  const services = reach.has("services") ? serviceCidrs : [];
  return [
    [T.entry, 50, `${toGateway},nw_dst=${self.node}`, resubmit(T.gateway)],
    ...services.map((cidr): FlowRow => [
      ...[T.entry, 45, `${toGateway},nw_dst=${bare(cidr)}`] as const,
      resubmit(T.gateway),
    ]),
    // Under policy, only their own flows lead on: a network is closed until these are there.
    ...policed.has(tag) ? [] : [[T.entry, 5, ofNetwork(tag), resubmit(T.forward)] as const],
  ];
}

function answerRows({ network: { tag }, model: { self } }: Placed): FlowRow[] {
  const state = (state: string, mark = "") =>
    `ct_state=${state},ct_zone=${serviceZone(tag)}${mark}`;
  const network = ofNetwork(tag);
  const rows: FlowRow[] = [
    [T.answers, 100, `${state("+rpl+trk", ",ct_mark=0x1")},ip,${network}`, resubmit(T.intoHost)],
    [T.answers, 95, `${state("+trk")},ip,${network},reg10=0x1`, resubmit(T.deliver)],
    // The gateway does not forward within a network, and its MAC would be flooded.
    [T.answers, 92, `${state("+trk")},ip,${network},dl_dst=${self.mac}`, "drop"],
    [T.answers, 90, `${state("+trk")},ip,${network}`, "NORMAL"],
  ];
  return rows.flatMap(withFragments);
}

/**
 * Returns a row behind a ct(), and that of fragments. Of a datagram of more than 32, the userspace datapath releases
 * the rest with what enters a ct() next: copies do, in a zone where they end (policy/flows/pipeline.ts).
 */
function withFragments(row: FlowRow): FlowRow[] {
  const [table, priority, match, actions] = row;
  if (actions === "drop") return [row];
  const copy = `clone(ct(table=${table},zone=${COPIES}))`;
  return [row, [table, priority + 1, `${match},nw_frag=yes`, `${copy},${actions}`]];
}

/** What pods may send to their gateway. */
function gatewayRows({ network, model, routed, isOwner, trunk }: Placed): FlowRow[] {
  const { tag, reach, gateway } = network;
  const from = `ip,${ofNetwork(tag)}`;
  // The switch answers, as it does to ARP: the gateway's address is in no stack. RFC 792, echo reply.
  const pong = "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]," +
    `set_field:${model.self.mac}->eth_src,move:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[],` +
    `set_field:${gateway}->ip_src,set_field:64->nw_ttl,set_field:0->icmp_type,IN_PORT`;
  const services = reach.has("services") ? resubmit(T.toHost) : "drop";
  const isOpen = (["host", "outside", "ports"] as const).some((word) => reach.has(word));
  return [
    ...isOwner && trunk !== undefined
      ? [[T.toOtherHost, 100, ofNetwork(tag), outTagged(tag, trunk)] as const]
      : [],
    [T.gateway, 120, `icmp,${ofNetwork(tag)},nw_dst=${gateway},icmp_type=8,icmp_code=0`, pong],
    ...routed.map(({ subnet }): FlowRow => [
      ...[T.gateway, 90, `${from},nw_dst=${bare(subnet)}`] as const,
      `dec_ttl,load:0x1->NXM_NX_REG10[],${resubmit(T.deliver)}`,
    ]),
    ...model.serviceCidrs.map((cidr): FlowRow => [
      ...[T.gateway, 80, `${from},nw_dst=${bare(cidr)}`] as const,
      services,
    ]),
    ...isOpen ? [[T.gateway, 70, from, resubmit(T.toHost)] as const] : [],
  ];
}

/** Which network a packet of the host belongs to: by its address, or by who asks. */
function fromHostRows({ network, model: { self }, routed, isOwner }: Placed): FlowRow[] {
  const { tag, subnet, reach } = network;
  // Without a word, only the host itself, and what it masquerades, such as services for other networks.
  const sources = reach.size > 0 ? [""] : [self.node, self.nat].map((one) => `nw_src=${one},`);
  const state = isOwner ? "+trk" : TRANSLATED;
  const asked = `ct_state=${state},ct_zone=${serviceZone(tag)},ip,${ofNetwork(tag)}`;
  return [
    ...(isOwner ? sources : []).map((source): FlowRow => [
      ...[T.byAddress, 100, `ip,${source}nw_dst=${bare(subnet)}`] as const,
      `${setNetwork(tag)},${resubmit(T.entry)}`,
    ]),
    ...[network, ...routed].flatMap((one) =>
      withFragments([
        ...[T.ofAsker, 100, `${asked},nw_dst=${bare(one.subnet)}`] as const,
        resubmit(T.entry),
      ])
    ),
  ];
}

function aliasRows({ network: { tag, local }, model, holders }: Placed): FlowRow[] {
  const zone = aliasZone(tag);
  const translated = `ct_state=${TRANSLATED},ct_zone=${zone},ip,${ofNetwork(tag)}`;
  return [
    ...withFragments([T.aliased, 100, translated, resubmit(T.intoHost)]),
    ...withFragments([T.unaliased, 100, translated, resubmit(T.entry)]),
    // A pod here that has no alias yet would pass for its twin.
    [T.toHost, 80, `ip,${ofNetwork(tag)}`, "drop"],
    // The host's own packets, such as probes, to an address that no other pod has. They are tracked, so that the
    // answers are not translated.
    ...local.filter(({ address }) => holders.get(address) === tag).map(({ address }): FlowRow => [
      ...[T.fromHost, 145, `ip,nw_src=${model.self.node},nw_dst=${address}`] as const,
      `${setNetwork(tag)},ct(commit,table=${T.unaliased},zone=${zone})`,
    ]),
  ];
}

/**
 * Returns the network that alone has an address, by the address, as its tag; undefined for an address of several: the
 * host's packet to it would be taken for another's. Pods on other hosts count where the host knows them.
 */
export function onlyHolders({ networks }: Pick<ReachModel, "networks">): OnlyHolders {
  const holders = new Map<string, number | undefined>();
  for (const { tag, local, remote, aliasedBecause } of networks) {
    for (const { address } of [...local, ...aliasedBecause === undefined ? remote : []]) {
      holders.set(address, holders.has(address) && holders.get(address) !== tag ? undefined : tag);
    }
  }
  return holders;
}

// Registers of the policy tables, which the next network's policies use again.
const CLEAR = [1, 2, 3, 5, 7, 8, 9].map((number) => `load:0->NXM_NX_REG${number}[]`).join();

function deliveryRows({ network, model: { self }, routed, trunk }: Placed): FlowRow[] {
  const { tag, remote } = network;
  const from = `ip,${ofNetwork(tag)}`;
  return [
    ...(trunk === undefined ? [] : remote).map(({ address, mac }): FlowRow => [
      ...[T.deliver, 100, `${from},nw_dst=${address}`] as const,
      `set_field:${self.mac}->eth_src,set_field:${mac}->eth_dst,${outTagged(tag, trunk!)}`,
    ]),
    ...routed.map((one): FlowRow => [
      ...[T.deliver, 50, `${from},nw_dst=${bare(one.subnet)}`] as const,
      `${CLEAR},${setNetwork(one.tag)},${resubmit(T.entry)}`,
    ]),
  ];
}
