// The tables that a packet under policy passes through, and the flows that are the same for all policies.
// Pure; flows are text as `ovs-ofctl dump-flows --no-stats --no-names` prints them.
//
//    0  anti-spoofing flows: which source addresses a port may use. For networks with policies they put
//       the access tag, which identifies the network, into reg0 and continue in table 10; frames of other
//       networks are forwarded at once.
//   10  entry: is an endpoint here, guarded by policies, the sender or receiver? If not: NORMAL.
//   11  track: through the connection tracker, in the network's own zone; SCTP bypasses it. A zone is
//       flushed before a network starts to use it.
//   12  state: client, server and service into registers (below). What the rules allowed comes back here, with
//       a mark, and is forwarded.
//   20… one table for each direction and tier of rules, each with conjunctive matches on registers:
//       subjects, peers and services are one flow each, so their number is the sum, not the product.
//   30  allowed: commits a new connection and returns to 12, forwards others.
//   31  denied: drops, with one counting flow a policy.
//   40  of networks with a distributed gateway: where others end with NORMAL, theirs go on here, so that what is
//       routed passes twice, in the sender's network and then in the receiver's (reach/bridge_flows.ts).
//
// reg1 and reg2 are the addresses of client and server, reg3 the protocol and the server's port. For a
// packet of a known connection they are those of the connection's first packet (ct_nw_src and so on), so
// *every* packet is checked against the current rules: a change of rules cuts, at once and in both
// directions, each connection that is no longer allowed, and no other. Nothing has to be flushed from the
// tracker, and no rule has to be stored there. The price is one megaflow for each pair and port, which
// the first packet needs anyway.
//
// TCP without SYN that the tracker does not know (it began before the policies, or the tracker was lost
// with a restart of ovs-vswitchd): the direction is unknown. The port above 32767 is taken for the
// client's (Linux: 32768-60999); where both or neither are, the packet must be allowed in both
// directions. Only packets that surely come from a client are committed, so nothing gets in as a "reply"
// that was not allowed as a request. The same holds for UDP from a low to a high port: it passes by its
// own rule, and is not committed.
//
// Fragments. Only the first fragment of a datagram has ports, so it is judged, and the others wait for it:
// - Kernel datapath: ct reassembles. What leaves table 11 is a whole datagram, and nothing below concerns it;
//   the kernel fragments it again when it forwards it.
// - Userspace datapath: ct holds fragments until all are there, tracks the datagram, and then releases them as
//   fragments. All have the connection's state and addresses, but only the first has ports, in whatever field.
//   The first goes through the rules, the others straight to where it arrives when it is allowed: a second ct,
//   which holds them until all are there. Without the first one they are never released. So each datagram is
//   reassembled twice, and a third time as a copy, for what follows. The second ct commits whatever direction
//   the datagram has; where that is not the client's, rules are still applied to each packet.
//   A batch has 32 packets at most. Of a longer datagram (at an MTU of 1500: above 47,352 bytes of UDP) ct releases
//   the rest with whichever batch comes next to any ct, and that may be another network's. Therefore
//   each ct leads back to table 12; a packet mark says whether the packet itself (not the batch) passed the
//   rules; and it is forwarded only in the network of its ct_zone. The rest of the first release comes when the
//   first fragment enters the second ct, and is sent there, too. The rest of the second one comes when a copy
//   of the first fragment enters the zone of copies. What is left then are copies, which are dropped.
//   Open vSwitch 3.1 was measured: 1,472 to 60,000 bytes pass, also as the first datagram of a connection.
//   Its limits: fragments other than the last have 1,200 bytes at least (ovs-appctl dpctl/ipf-set-min-frag), and
//   1,000 fragments wait at a time (dpctl/ipf-set-max-nfrags), those of denied datagrams for 15 s or more.
//   Before 3.6 it releases fragments that waited too long with any batch, too, as invalid: dropped in table 12.
// - SCTP is not tracked: under a rule with ports only its first fragments pass. It does not send fragments
//   unless the path's MTU shrinks.

import type { Here } from "../input.ts";
import { hash } from "./slots.ts";

/**
 * Cookie of all flows here. The lower half is the policy's number in the flow that counts its drops, and
 * a hash of the network in a network's flow: the latter have the highest bit, policies do not.
 */
export const POLICY_COOKIE = 0x6b38_0006_0000_0000n;
const NETWORKS = 0x8000_0000;

/** Tables of the bridge. */
export const TABLES = {
  entry: 10,
  track: 11,
  state: 12,
  rules: { contiv: { out: 20, in: 22 }, kubernetes: { out: 21, in: 23 } },
  allowed: 30,
  denied: 31,
  forward: 40,
} as const;

const FIRST_RULES = TABLES.rules.contiv.out;
const LAST_RULES = TABLES.rules.kubernetes.in;

/** The registers of the guarded side and of the other side, by direction. */
export const REGISTERS = {
  out: { subject: "reg1", peer: "reg2" },
  in: { subject: "reg2", peer: "reg1" },
} as const;

/** Registers of protocol and server port, and of an SCTP packet's source port. */
export const [SERVICE, SCTP_SOURCE] = ["reg3", "reg9"];

const hex = (value: number) => `0x${value.toString(16)}`;
const resubmit = (table: number) => `resubmit(,${table})`;

/** Returns the action for a packet that the rules of `table` allow. */
export function passOn(table: number): string {
  return resubmit(table === LAST_RULES ? TABLES.allowed : table + 1);
}

/** Returns the action for a packet that the policy of that number denies. */
export function deny(policyNumber: number): string {
  return `load:${hex(policyNumber)}->NXM_NX_REG5[],${resubmit(TABLES.denied)}`;
}

const parties = (from: string, to: string, rest: string) =>
  `move:${from}->NXM_NX_REG1[],move:${to}->NXM_NX_REG2[],${rest}`;
const [SRC, DST] = ["NXM_OF_IP_SRC[]", "NXM_OF_IP_DST[]"];
const port = (from: string, register = "NXM_NX_REG3") => `move:${from}->${register}[0..15]`;
const protocol = (number: number, register = "NXM_NX_REG3") =>
  `load:${hex(number)}->${register}[16..23]`;
const COMMIT = "load:0x1->NXM_NX_REG7[]";
const CHECK_RULES = resubmit(FIRST_RULES);
const [LOW, HIGH] = ["0x0/0x8000", "0x8000/0x8000"];

const TCP_REQUEST = parties(SRC, DST, `${protocol(6)},${port("NXM_OF_TCP_DST[]")}`);
const TCP_REPLY = parties(DST, SRC, `${protocol(6)},${port("NXM_OF_TCP_SRC[]")}`);
const UDP_REQUEST = parties(SRC, DST, `${protocol(17)},${port("NXM_OF_UDP_DST[]")}`);
const TRACKED = ["NXM_NX_CT_NW_SRC[]", "NXM_NX_CT_NW_DST[]"] as const;

const NEW = "ct_state=+new+trk";
const ESTABLISHED = "ct_state=-new-inv+trk";
const ZONE = "zone=NXM_NX_REG0[0..15]";

// "k8cn": what else comes in with a mark does not look like this.
const PASSED_MARK = 0x6b38_636e;
const PASSED = `pkt_mark=${hex(PASSED_MARK)}`;
const setMark = (mark: number) => `load:${mark === 0 ? 0 : hex(mark)}->NXM_NX_PKT_MARK[]`;
// Registers are cleared, as each set of values would be a recirculation of its own.
const COMMIT_AND_RETURN = [
  ...[1, 2, 3, 7].map((register) => `load:0->NXM_NX_REG${register}[]`),
  `${setMark(PASSED_MARK)},ct(commit,table=${TABLES.state},${ZONE})`,
].join();
// Zone of fragments that are copies; networks have the zones 1-4094.
const COPIES = 65_535;

const SCTP = parties(
  SRC,
  DST,
  [
    ...[protocol(132), port("OXM_OF_SCTP_DST[]")],
    ...[protocol(132, "NXM_NX_REG9"), port("OXM_OF_SCTP_SRC[]", "NXM_NX_REG9")],
    CHECK_RULES,
  ].join(),
);

/** Table, priority, match, actions. */
type Row = readonly [table: number, priority: number, match: string, actions: string];

const ROWS: readonly Row[] = [
  // Until its own flow is installed, a network under policy is closed.
  [TABLES.entry, 0, "", "drop"],
  [TABLES.track, 10, "sctp", SCTP],
  [TABLES.track, 0, "ip", `ct(table=${TABLES.state},${ZONE})`],
  // Of fragments, see above: copies; what passed in another network; what waits for its first fragment.
  [TABLES.state, 130, `ct_zone=${COPIES}`, "drop"],
  [TABLES.state, 110, PASSED, "drop"],
  [TABLES.state, 100, "ct_state=+inv+trk", "drop"],
  [TABLES.state, 98, "ct_state=-inv+trk,ip,nw_frag=later", COMMIT_AND_RETURN],
  midstream("tp_src=" + LOW, "tp_dst=" + HIGH, `${TCP_REPLY},${CHECK_RULES}`),
  midstream("tp_src=" + HIGH, "tp_dst=" + LOW, `${TCP_REQUEST},${COMMIT},${CHECK_RULES}`),
  [
    TABLES.state,
    90,
    `${NEW},tcp,tcp_flags=-syn`,
    `${TCP_REPLY},load:0x1->NXM_NX_REG8[],${CHECK_RULES}`,
  ],
  [TABLES.state, 85, `${NEW},udp,tp_src=${LOW},tp_dst=${HIGH}`, `${UDP_REQUEST},${CHECK_RULES}`],
  [TABLES.state, 80, `${NEW},tcp`, `${TCP_REQUEST},${COMMIT},${CHECK_RULES}`],
  [TABLES.state, 80, `${NEW},udp`, `${UDP_REQUEST},${COMMIT},${CHECK_RULES}`],
  [
    ...[TABLES.state, 70, `${NEW},ip`] as const,
    `${parties(SRC, DST, "move:NXM_OF_IP_PROTO[]->NXM_NX_REG3[16..23]")},${COMMIT},${CHECK_RULES}`,
  ],
  ...[6, 17].map((number): Row => [
    ...[TABLES.state, 60, `${ESTABLISHED},ct_nw_proto=${number},ip`] as const,
    `${parties(...TRACKED, `${protocol(number)},${port("NXM_NX_CT_TP_DST[]")}`)},${CHECK_RULES}`,
  ]),
  [
    ...[TABLES.state, 50, `${ESTABLISHED},ip`] as const,
    `${parties(...TRACKED, "move:NXM_NX_CT_NW_PROTO[]->NXM_NX_REG3[16..23]")},${CHECK_RULES}`,
  ],
  ...[20, 21, 22, 23].map((table): Row => [table, 0, "", passOn(table)]),
  // Allowed in one direction; now the other one.
  [
    ...[TABLES.allowed, 20, "tcp,reg8=0x1"] as const,
    `load:0->NXM_NX_REG8[],${TCP_REQUEST},${CHECK_RULES}`,
  ],
  [TABLES.allowed, 18, "sctp", "NORMAL"],
  [TABLES.allowed, 15, "ip,nw_frag=first", COMMIT_AND_RETURN],
  [TABLES.allowed, 10, "ip,reg7=0x1", COMMIT_AND_RETURN],
  [TABLES.allowed, 0, "", "NORMAL"],
  [TABLES.denied, 0, "", "drop"],
];

/** Returns the row of TCP that the tracker does not know, where the ports show its direction. */
function midstream(from: string, to: string, actions: string): Row {
  return [TABLES.state, 95, `${NEW},tcp,${from},${to},tcp_flags=-syn`, actions];
}

/** A flow in two parts. */
export type KeyAndActions = readonly [key: string, actions: string];

const COOKIE = `cookie=0x${(POLICY_COOKIE >> 32n).toString(16)}`;

/** Returns the key of a flow: all of its text before the actions. `number` is the cookie's lower half. */
export function flowKey(table: number, priority: number, match: string, number = 0): string {
  const half = number.toString(16).padStart(8, "0");
  return `${COOKIE}${half}, table=${table}, priority=${priority}${match && `,${match}`}`;
}

/** Flows that are there as soon as one network has policies. */
export const PIPELINE: readonly KeyAndActions[] = ROWS.map((
  [table, priority, match, actions],
) => [flowKey(table, priority, match), actions]);

/** Action for a packet that a policy denies. */
export const DROP = "drop";

/**
 * Returns the flow that counts the drops of the policy of that number. `actions` may report the packet to
 * a controller, but never forward it.
 */
export function deniedFlow(policyNumber: number, actions: string = DROP): KeyAndActions {
  const key = flowKey(TABLES.denied, 10, `reg5=${hex(policyNumber)}`, policyNumber);
  return [key, actions];
}

/** Reports whether a flow's text is that of a deniedFlow(). */
export function isDeniedFlow(flow: string): boolean {
  return flow.includes(` table=${TABLES.denied}, priority=10,reg5=`);
}

/** A guarded endpoint as the entry table needs it. */
export interface Guarded {
  readonly tag: number;
  /** Dotted. */
  readonly address: string;
  readonly mac: string;
}

/** A network with a guarded endpoint on this host. */
export type GuardedNetwork = Pick<Here, "tag" | "network" | "isDistributed">;

const forwardOf = ({ isDistributed }: GuardedNetwork) =>
  isDistributed ? resubmit(TABLES.forward) : "NORMAL";

const entry = (priority: number, match: string) => flowKey(TABLES.entry, priority, match);

/** Returns the flows of the entry table for a guarded endpoint: its own packets go to the rules. */
export function guardedFlows({ tag, address }: Guarded): KeyAndActions[] {
  return [
    [entry(40, `ip,reg0=${hex(tag)},nw_dst=${address}`), resubmit(TABLES.track)],
    [entry(20, `ip,reg0=${hex(tag)},nw_src=${address}`), resubmit(TABLES.track)],
  ];
}

/**
 * Returns the flows of the entry table for an endpoint with policies for what it receives: whatever would
 * reach its link without its own address as destination is dropped. A frame to its MAC may be for the
 * address of another of its interfaces; broadcasts and IPv6 have no address that policies know.
 */
export function shieldFlows({ tag, mac }: Guarded): KeyAndActions[] {
  return [
    [entry(30, `ip,reg0=${hex(tag)},dl_dst=${mac}`), "drop"],
    [entry(30, `ip,reg0=${hex(tag)},dl_dst=01:00:00:00:00:00/01:00:00:00:00:00`), "drop"],
    [entry(30, `ipv6,reg0=${hex(tag)}`), "drop"],
  ];
}

/**
 * Returns the flow of the entry table for all other frames of a network under policy. Its cookie differs
 * where the same tag belongs to another network.
 */
export function networkFlow(network: GuardedNetwork): KeyAndActions {
  const number = NETWORKS + hash(network.network ?? "");
  const key = flowKey(TABLES.entry, 10, `reg0=${hex(network.tag)}`, number);
  return [key, forwardOf(network)];
}

/** Returns the flows that forward what the rules of a network allowed, in that network only. */
export function passedFlows(network: GuardedNetwork): KeyAndActions[] {
  const { tag, isDistributed } = network;
  const passed = `${PASSED},ct_state=-inv+trk,ct_zone=${tag},ip,reg0=${hex(tag)}`;
  const forward = `${setMark(0)},${forwardOf(network)}`;
  const copy = `clone(ct(table=${TABLES.state},zone=${COPIES}))`;
  return [
    [flowKey(TABLES.state, 120, passed), forward],
    [flowKey(TABLES.state, 125, `${passed},nw_frag=yes`), `${copy},${forward}`],
    // Above those of all networks, which forward.
    ...(isDistributed ? [[19, "sctp,"], [1, ""]] as const : []).map((
      [priority, match],
    ): KeyAndActions => [
      flowKey(TABLES.allowed, priority, `${match}reg0=${hex(tag)}`),
      forwardOf(network),
    ]),
  ];
}

/** Returns the access tag of a flow made by networkFlow(); undefined for any other. */
export function tagOfNetworkFlow(flow: string): number | undefined {
  const found = /table=10, priority=10,reg0=(0x[0-9a-f]+) actions=(?:NORMAL|resubmit\(,40\))$/.exec(
    flow,
  )
    ?.[1];
  return found === undefined ? undefined : Number(found);
}
