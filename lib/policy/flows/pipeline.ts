// The tables that a policed packet goes through, and what is the same for all policies. Pure; lines as
// `ovs-ofctl dump-flows --no-stats --no-names` prints them.
//
//    0  guards: who may send what. For networks with policies they put the access tag, which stands for
//       the network, into reg0 and hand over to table 10; other networks' frames go on as ever.
//   10  entry: does this concern an endpoint here that policies guard? If not, on it goes.
//   11  track: through the connection tracker, in the network's own zone; SCTP around it. A zone is empty
//       when its network is handed over.
//   12  state: who asked whom for what, in registers (below).
//   20… one table for each direction and tier of rules, each with conjunctive matches on registers:
//       subjects, peers and services are a line each, so lines grow with their sum, not their product.
//   30  allowed: remembers a new connection, forwards.   31  denied: drops, a line for each policy counts.
//
// reg1 and reg2 are the addresses of who asked and who was asked, reg3 protocol and port asked for. Of
// a packet that belongs to a connection they are that of the connection's first packet (ct_nw_src and
// so on), so *every* packet is judged by the rules as they are now: a change of rules cuts, at once and
// in both directions, each connection that is no longer allowed, and touches no other. Nothing has to
// be flushed from the tracker, and no rule has to be remembered there. What this costs is a megaflow for
// each pair and port, which the first packet needs anyway.
//
// What is not known to the tracker and yet no beginning (it was there before the policies were, or the
// tracker was lost with a restart of ovs-vswitchd): TCP without SYN. Nobody can tell who asked. The port
// above 32767 is taken for the client's (Linux: 32768-60999); where that does not tell, the packet must
// be allowed both ways round. Only what surely comes from a client is remembered, so nothing gets in
// as an "answer" that was not allowed as a question. For UDP the same holds of packets from a low to a
// high port: they pass by their own rule, and are not remembered.

import type { Here } from "../input.ts";
import { hash } from "./slots.ts";

/**
 * Cookie of all lines here; a policy's number is in the lower half of the line that counts for it. In
 * that of a network's line is the network's: those have the highest bit, policies do not.
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
} as const;

const FIRST_RULES = TABLES.rules.contiv.out;
const LAST_RULES = TABLES.rules.kubernetes.in;

/** Who in the registers a direction guards, and who is the other side. */
export const REGISTERS = {
  out: { subject: "reg1", peer: "reg2" },
  in: { subject: "reg2", peer: "reg1" },
} as const;

/** Register of the asked protocol and port, and of an SCTP packet's own port. */
export const [ASKED, ANSWERED] = ["reg3", "reg9"];

const GO = (table: number) => `resubmit(,${table})`;

/** Returns where a packet goes that the rules of `table` let pass. */
export function passOn(table: number): string {
  return GO(table === LAST_RULES ? TABLES.allowed : table + 1);
}

/** Returns what is done with a packet that the policy of that number denies. */
export function deny(policyNumber: number): string {
  return `load:0x${policyNumber.toString(16)}->NXM_NX_REG5[],${GO(TABLES.denied)}`;
}

const asked = (from: string, to: string, rest: string) =>
  `move:${from}->NXM_NX_REG1[],move:${to}->NXM_NX_REG2[],${rest}`;
const [SRC, DST] = ["NXM_OF_IP_SRC[]", "NXM_OF_IP_DST[]"];
const port = (from: string, register = "NXM_NX_REG3") => `move:${from}->${register}[0..15]`;
const protocol = (number: number, register = "NXM_NX_REG3") =>
  `load:0x${number.toString(16)}->${register}[16..23]`;
const REMEMBER = "load:0x1->NXM_NX_REG7[]";
const JUDGE = GO(FIRST_RULES);
const [LOW, HIGH] = ["0x0/0x8000", "0x8000/0x8000"];

const TCP_ASKED = asked(SRC, DST, `${protocol(6)},${port("NXM_OF_TCP_DST[]")}`);
const TCP_TURNED = asked(DST, SRC, `${protocol(6)},${port("NXM_OF_TCP_SRC[]")}`);
const UDP_ASKED = asked(SRC, DST, `${protocol(17)},${port("NXM_OF_UDP_DST[]")}`);
const TRACKED = ["NXM_NX_CT_NW_SRC[]", "NXM_NX_CT_NW_DST[]"] as const;

const NEW = "ct_state=+new+trk";
const KNOWN = "ct_state=-new-inv+trk";
const ZONE = "zone=NXM_NX_REG0[0..15]";

const SCTP = asked(
  SRC,
  DST,
  [
    ...[protocol(132), port("OXM_OF_SCTP_DST[]")],
    ...[protocol(132, "NXM_NX_REG9"), port("OXM_OF_SCTP_SRC[]", "NXM_NX_REG9")],
    JUDGE,
  ].join(),
);

/** Table, priority, match, actions. */
type Row = readonly [table: number, priority: number, match: string, actions: string];

const ROWS: readonly Row[] = [
  // A network that is handed over before its lines are here waits for them.
  [TABLES.entry, 0, "", "drop"],
  [TABLES.track, 10, "sctp", SCTP],
  [TABLES.track, 0, "ip", `ct(table=${TABLES.state},${ZONE})`],
  [TABLES.state, 100, "ct_state=+inv+trk", "drop"],
  ...midstream("tp_src=" + LOW, "tp_dst=" + HIGH, `${TCP_TURNED},${JUDGE}`),
  ...midstream("tp_src=" + HIGH, "tp_dst=" + LOW, `${TCP_ASKED},${REMEMBER},${JUDGE}`),
  [TABLES.state, 90, `${NEW},tcp,tcp_flags=-syn`, `${TCP_TURNED},load:0x1->NXM_NX_REG8[],${JUDGE}`],
  [TABLES.state, 85, `${NEW},udp,tp_src=${LOW},tp_dst=${HIGH}`, `${UDP_ASKED},${JUDGE}`],
  [TABLES.state, 80, `${NEW},tcp`, `${TCP_ASKED},${REMEMBER},${JUDGE}`],
  [TABLES.state, 80, `${NEW},udp`, `${UDP_ASKED},${REMEMBER},${JUDGE}`],
  [
    ...[TABLES.state, 70, `${NEW},ip`] as const,
    `${asked(SRC, DST, "move:NXM_OF_IP_PROTO[]->NXM_NX_REG3[16..23]")},${REMEMBER},${JUDGE}`,
  ],
  ...[6, 17].map((number): Row => [
    ...[TABLES.state, 60, `${KNOWN},ct_nw_proto=${number},ip`] as const,
    `${asked(...TRACKED, `${protocol(number)},${port("NXM_NX_CT_TP_DST[]")}`)},${JUDGE}`,
  ]),
  [
    ...[TABLES.state, 50, `${KNOWN},ip`] as const,
    `${asked(...TRACKED, "move:NXM_NX_CT_NW_PROTO[]->NXM_NX_REG3[16..23]")},${JUDGE}`,
  ],
  ...[20, 21, 22, 23].map((table): Row => [table, 0, "", passOn(table)]),
  // Allowed one way round; now the other.
  [
    ...[TABLES.allowed, 20, "tcp,reg8=0x1"] as const,
    `load:0->NXM_NX_REG8[],${TCP_ASKED},${JUDGE}`,
  ],
  [TABLES.allowed, 10, "ip,reg7=0x1", `ct(commit,${ZONE}),NORMAL`],
  [TABLES.allowed, 0, "", "NORMAL"],
  [TABLES.denied, 0, "", "drop"],
];

function midstream(from: string, to: string, actions: string): Row[] {
  return [[TABLES.state, 95, `${NEW},tcp,${from},${to},tcp_flags=-syn`, actions]];
}

/** A line in two parts. */
export type PlaceAndActions = readonly [place: string, actions: string];

const COOKIE = `cookie=0x${(POLICY_COOKIE >> 32n).toString(16)}`;

/** Returns the start of a line; `number` is the cookie's lower half. */
export function placeOf(table: number, priority: number, match: string, number = 0): string {
  const half = number.toString(16).padStart(8, "0");
  return `${COOKIE}${half}, table=${table}, priority=${priority}${match && `,${match}`}`;
}

/** What is there as soon as there is one policed network. */
export const PIPELINE: readonly PlaceAndActions[] = ROWS.map((
  [table, priority, match, actions],
) => [placeOf(table, priority, match), actions]);

/** What is done with a packet that a policy denies. */
export const DROP = "drop";

/**
 * Returns what counts the drops of the policy of that number. `actions` may tell somebody of the packet;
 * there is none among them that forwards it.
 */
export function deniedLine(policyNumber: number, actions: string = DROP): PlaceAndActions {
  const place = placeOf(TABLES.denied, 10, `reg5=${hex(policyNumber)}`, policyNumber);
  return [place, actions];
}

/** An endpoint as the entry table needs it. */
export interface Guarded {
  readonly tag: number;
  /** Dotted. */
  readonly address: string;
  readonly mac: string;
}

/** A network that has an endpoint here that any policy guards. */
export type GuardedNetwork = Pick<Here, "tag" | "network">;

const hex = (value: number) => `0x${value.toString(16)}`;
const entry = (priority: number, match: string) => placeOf(TABLES.entry, priority, match);

/** Returns places and actions of the entry table for an endpoint that any policy guards. */
export function guardedLines({ tag, address }: Guarded): PlaceAndActions[] {
  return [
    [entry(40, `ip,reg0=${hex(tag)},nw_dst=${address}`), GO(TABLES.track)],
    [entry(20, `ip,reg0=${hex(tag)},nw_src=${address}`), GO(TABLES.track)],
  ];
}

/**
 * Returns places and actions of the entry table for an endpoint that policies guard from others: what
 * reaches its link by another way than its own address is dropped. A frame to its MAC may be for an
 * address of another of its interfaces; a broadcast or IPv6 names nobody whom policies could know.
 */
export function shieldedLines({ tag, mac }: Guarded): PlaceAndActions[] {
  return [
    [entry(30, `ip,reg0=${hex(tag)},dl_dst=${mac}`), "drop"],
    [entry(30, `ip,reg0=${hex(tag)},dl_dst=01:00:00:00:00:00/01:00:00:00:00:00`), "drop"],
    [entry(30, `ipv6,reg0=${hex(tag)}`), "drop"],
  ];
}

/**
 * Returns place and actions of the entry table for all else of a policed network. It is another line when
 * the tag is another network's.
 */
export function networkLine({ tag, network = "" }: GuardedNetwork): PlaceAndActions {
  const number = NETWORKS + hash(network);
  return [placeOf(TABLES.entry, 10, `reg0=${hex(tag)}`, number), "NORMAL"];
}

/** Returns the access tag of a line that networkLine() gave; undefined for any other. */
export function tagOfLine(line: string): number | undefined {
  const found = /table=10, priority=10,reg0=(0x[0-9a-f]+) actions=NORMAL$/.exec(line)?.[1];
  return found === undefined ? undefined : Number(found);
}
