// A switch as far as policies need one. It reads the flows' text, starts at table 0 like a real bridge, finds
// the flow that matches (conjunctive matches included: ovs-fields(7), "Conjunctive Match Fields"), and
// follows its actions through registers and connection tracker until the frame is forwarded or dropped.

import { type Connections, ctFields } from "./connections.ts";

/** Fields of a frame and registers, `nwSrc` for what ovs-ofctl calls nw_src; an absent one is 0. */
export type Fields = Readonly<Record<string, number>>;

/** Where a frame ends. */
export type Outcome = "forwarded" | "dropped";

interface Match {
  readonly name: string;
  /** As two numbers: a MAC address has more bits than bit operations of JavaScript. */
  readonly value: Halves;
  readonly mask: Halves;
}

interface Halves {
  readonly high: number;
  readonly low: number;
}

interface Flow {
  readonly text: string;
  readonly priority: number;
  readonly matches: readonly Match[];
  readonly conjId: number | undefined;
  readonly parts: readonly { readonly id: number; readonly k: number; readonly n: number }[];
  readonly actions: readonly string[];
}

/** A frame at a ct(). */
interface Held {
  readonly fields: Record<string, number>;
  readonly zone: number;
  readonly isCommit: boolean;
}

const CT = /^ct\((commit,)?table=(\d+),zone=NXM_NX_REG0\[0\.\.15\]\)$/;

/** Values of nw_frag, where lib/flow.h of Open vSwitch has bits: a fragment; not the first one. */
export const [FIRST, LATER] = [1, 3];
const FRAGMENTS: Readonly<Record<string, readonly [value: number, mask: number]>> = {
  first: [FIRST, 3],
  later: [LATER, 3],
  yes: [1, 1],
};

const EVERY_BIT = 0xffff_ffff_ffff;

/** Tables of flows. */
export class FlowMachine {
  readonly #tables = new Map<number, Flow[]>();

  constructor(flows: readonly string[]) {
    for (const text of flows) {
      const [, table = "0", priority = "", match = "", actions = ""] =
        /^cookie=0x[0-9a-f]+,(?: table=(\d+),)? priority=(\d+)(?:,(\S+))? actions=(.*)$/
          .exec(text) ?? [];
      if (actions === "") throw new Error(`not a flow: ${text}`);
      const list = this.#tables.get(Number(table)) ?? [];
      list.push(flowOf({ text, priority: Number(priority), match, actions }));
      this.#tables.set(Number(table), list);
    }
    for (const list of this.#tables.values()) list.sort((a, b) => b.priority - a.priority);
  }

  /** Returns where a frame ends that enters at table 0; `connections` is the connection tracker. */
  run(frame: Fields, connections: Connections): Outcome {
    return this.runDatagram([frame], connections)[0]!;
  }

  /**
   * Returns where the fragments of a datagram end, the first one first. As on the userspace datapath, ct() holds
   * them until all are there; those whose rest never comes are dropped.
   */
  runDatagram(fragments: readonly Fields[], connections: Connections): Outcome[] {
    const walks = fragments.map((fields) => this.#walk({ ...fields }));
    while (true) {
      const steps = walks.map((walk) => walk.next());
      const held = steps.flatMap((step) => step.done ? [] : [step.value]);
      if (held.length < steps.length) {
        return steps.map((step) => step.done ? step.value : "dropped");
      }
      const [{ fields: first, zone }] = held as [Held];
      const tracked = ctFields(connections, zone, first);
      if (held.some(({ isCommit }) => isCommit) && (tracked.ctState! & 1) === 1) {
        connections.commit(zone, first);
      }
      for (const { fields } of held) {
        Object.assign(fields, tracked, fields.nwFrag === LATER ? { ctTpSrc: 0, ctTpDst: 0 } : {});
      }
    }
  }

  *#walk(fields: Record<string, number>): Generator<Held, Outcome> {
    for (let table: number | undefined = 0, hops = 0; table !== undefined; hops++) {
      if (hops > 30) throw new Error(`a loop at table ${table}`);
      let next: number | undefined;
      for (const action of this.#find(table, fields).actions) {
        if (action === "NORMAL") return "forwarded";
        // Copies end in their zone.
        if (action === "drop" || action.startsWith("clone(")) continue;
        const ct = CT.exec(action);
        if (!ct) {
          next = apply(action, fields) ?? next;
          continue;
        }
        yield { fields, zone: (fields.reg0 ?? 0) & 0xffff, isCommit: ct[1] !== undefined };
        next = Number(ct[2]);
      }
      table = next;
    }
    return "dropped";
  }

  #find(table: number, fields: Fields): Flow {
    const flows = this.#tables.get(table) ?? [];
    const matching = flows.filter(({ matches }) =>
      matches.every((match) => isMatch(match, fields[match.name] ?? 0))
    );
    for (const priority of new Set(matching.map((flow) => flow.priority))) {
      const here = matching.filter((flow) => flow.priority === priority);
      const plain = here.find((flow) => flow.parts.length === 0 && flow.conjId === undefined);
      if (plain) return plain;
      const parts = here.flatMap((flow) => flow.parts);
      const id = parts.find(({ id, n }) =>
        new Set(parts.filter((part) => part.id === id).map(({ k }) => k)).size === n
      )?.id;
      if (id === undefined) continue;
      const whole = flows.find((flow) => flow.conjId === id && flow.priority === priority);
      if (!whole) throw new Error(`table ${table} has no conj_id=${id} of priority ${priority}`);
      return whole;
    }
    throw new Error(`table ${table} has no flow for ${JSON.stringify(fields)}`);
  }
}

function isMatch({ value, mask }: Match, field: number): boolean {
  const { high, low } = halves(field);
  return (high & mask.high) === value.high && ((low & mask.low) >>> 0) === value.low;
}

function halves(value: number): Halves {
  return { high: Math.floor(value / 2 ** 32), low: value >>> 0 };
}

function flowOf(
  { text, priority, match, actions }: {
    readonly text: string;
    readonly priority: number;
    readonly match: string;
    readonly actions: string;
  },
): Flow {
  const terms = match.split(",").filter(Boolean);
  const conjId = terms.find((term) => term.startsWith("conj_id="));
  return {
    text,
    priority,
    matches: terms.filter((term) => term !== conjId).flatMap(matchesOf),
    conjId: conjId === undefined ? undefined : Number(conjId.slice("conj_id=".length)),
    parts: [...actions.matchAll(/conjunction\((\d+),(\d+)\/(\d+)\)/g)]
      .map(([, id, k, n]) => ({ id: Number(id), k: Number(k), n: Number(n) })),
    // Commas within brackets belong to an action.
    actions: actions.split(/,(?![^(]*\))/),
  };
}

/** What a protocol's name in a match says. */
const PROTOCOLS: Readonly<Record<string, Fields>> = {
  arp: { ethType: 0x806 },
  ip: { ethType: 0x800 },
  ipv6: { ethType: 0x86dd },
  icmp: { ethType: 0x800, nwProto: 1 },
  tcp: { ethType: 0x800, nwProto: 6 },
  udp: { ethType: 0x800, nwProto: 17 },
  sctp: { ethType: 0x800, nwProto: 132 },
};
const FLAGS: Readonly<Record<string, Fields>> = {
  ctState: { new: 1, est: 2, rel: 4, rpl: 8, inv: 16, trk: 32 },
  tcpFlags: { fin: 1, syn: 2, rst: 4, ack: 16 },
};

function matchesOf(term: string): Match[] {
  const [word = "", written] = term.split("=");
  const name = camelCase(word);
  if (written === undefined) {
    const fields = PROTOCOLS[name];
    if (!fields) throw new Error(`unknown match ${term}`);
    return Object.entries(fields).map(([name, value]) => matchOf(name, value, EVERY_BIT));
  }
  const flags = FLAGS[name];
  if (flags) {
    const signs = [...written.matchAll(/([+-])(\w+)/g)]
      .map(([, sign, flag = ""]) => ({ isSet: sign === "+", bit: flags[flag]! }));
    const sum = (bits: typeof signs) => bits.reduce((all, { bit }) => all | bit, 0);
    return [matchOf(name, sum(signs.filter(({ isSet }) => isSet)), sum(signs))];
  }
  const fragment = name === "nwFrag" ? FRAGMENTS[written] : undefined;
  if (fragment) return [matchOf(name, ...fragment)];
  const [value = "", mask] = written.split("/");
  return [matchOf(name, numberOf(value), mask === undefined ? EVERY_BIT : numberOf(mask))];
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function matchOf(name: string, value: number, mask: number): Match {
  return { name, value: halves(value), mask: halves(mask) };
}

/** Returns a number, a dotted address or a MAC address as a number. */
export function numberOf(text: string): number {
  if (text.includes(":")) return Number(`0x${text.replaceAll(":", "")}`);
  return text.includes(".")
    ? text.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0)
    : Number(text);
}

/** Fields by the names that actions have for them. */
const NXM: Readonly<Record<string, string>> = {
  NXM_OF_IP_SRC: "nwSrc",
  NXM_OF_IP_DST: "nwDst",
  NXM_OF_IP_PROTO: "nwProto",
  NXM_OF_TCP_SRC: "tpSrc",
  NXM_OF_TCP_DST: "tpDst",
  NXM_OF_UDP_SRC: "tpSrc",
  NXM_OF_UDP_DST: "tpDst",
  OXM_OF_SCTP_SRC: "tpSrc",
  OXM_OF_SCTP_DST: "tpDst",
  NXM_NX_CT_NW_SRC: "ctNwSrc",
  NXM_NX_CT_NW_DST: "ctNwDst",
  NXM_NX_CT_NW_PROTO: "ctNwProto",
  NXM_NX_CT_TP_DST: "ctTpDst",
  NXM_NX_PKT_MARK: "pktMark",
};

function fieldOf(nxm: string): string {
  const name = NXM[nxm] ?? /^NXM_NX_(REG\d)$/.exec(nxm)?.[1]?.toLowerCase();
  if (name === undefined) throw new Error(`unknown field ${nxm}`);
  return name;
}

/** Does one action; returns the table that it leads to. */
function apply(action: string, fields: Record<string, number>): number | undefined {
  const table = /^resubmit\(,(\d+)\)$|^goto_table:(\d+)$/.exec(action);
  if (table) return Number(table[1] ?? table[2]);
  const set = /^set_field:(\w+)->(reg\d)$/.exec(action);
  if (set) {
    fields[set[2]!] = Number(set[1]);
    return undefined;
  }
  const copied = /^(?:move:(\w+)\[\]|load:(\w+))->(\w+)\[(?:(\d+)\.\.(\d+))?\]$/.exec(action);
  if (copied) {
    const [, from, value, to = "", first = "0", last = "31"] = copied;
    const field = fieldOf(to);
    const number = from === undefined ? Number(value) : fields[fieldOf(from)] ?? 0;
    fields[field] = withBits(fields[field] ?? 0, number, [Number(first), Number(last)]);
    return undefined;
  }
  throw new Error(`unknown action ${action}`);
}

function withBits(old: number, value: number, [first, last]: [number, number]): number {
  const mask = (2 ** (last - first + 1) - 1) * 2 ** first;
  return ((old & ~mask) | ((value * 2 ** first) & mask)) >>> 0;
}
