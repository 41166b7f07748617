// A switch as far as policies and distributed gateways need one. It reads the flows' text, starts at table 0 like a real bridge, finds
// the flow that matches (conjunctive matches included: ovs-fields(7), "Conjunctive Match Fields"), and
// follows its actions through registers and connection tracker until the frame is forwarded or dropped.

import type { Connections } from "./connections.ts";
import { apply, outputOf, partsOf, type Track, trackAll, trackOf } from "./flow_actions.ts";
import { FIRST, LATER, numberOf } from "./flow_words.ts";

/** Fields of a frame and registers, `nwSrc` for what ovs-ofctl calls nw_src; an absent one is 0. */
export type Fields = Readonly<Record<string, number>>;

/** Where a frame ends. */
export type Outcome = "forwarded" | "dropped";

/** Where a frame ends, exactly. */
export interface Ending {
  /** OpenFlow number of the port that it leaves by, or how it is chosen; undefined for a dropped frame. */
  readonly out: number | "NORMAL" | "IN_PORT" | undefined;
  /** The frame as it leaves. */
  readonly fields: Fields;
  /** Tables that it has passed. */
  readonly tables: readonly number[];
}

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
interface Held extends Track {
  readonly fields: Record<string, number>;
}

const FRAGMENTS: Readonly<Record<string, readonly [value: number, mask: number]>> = {
  first: [FIRST, 3],
  later: [LATER, 3],
  yes: [1, 1],
};

const EVERY_BIT = 0xffff_ffff_ffff;

const NO_FLOW: Flow = {
  ...{ text: "", priority: 0, matches: [], conjId: undefined, parts: [], actions: ["drop"] },
};

/** Tables of flows. */
export class FlowMachine {
  readonly #tables = new Map<number, Flow[]>();
  readonly #missing: "error" | "dropped";

  /** A packet without a flow is an error, unless `missing` says that this drops it, as a real bridge does. */
  constructor(flows: readonly string[], missing: "error" | "dropped" = "error") {
    this.#missing = missing;
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

  /** Returns where and how a frame ends. */
  follow(frame: Fields, connections: Connections): Ending {
    return this.followDatagram([frame], connections)[0]!;
  }

  /** Returns where the fragments of a datagram end, the first one first. */
  runDatagram(fragments: readonly Fields[], connections: Connections): Outcome[] {
    return this.followDatagram(fragments, connections)
      .map(({ out }) => out === undefined ? "dropped" : "forwarded");
  }

  /**
   * Returns where and how the fragments of a datagram end, the first one first. As on the userspace datapath,
   * ct() holds them until all are there; those whose rest never comes are dropped.
   */
  followDatagram(fragments: readonly Fields[], connections: Connections): Ending[] {
    const walks = fragments.map((fields) => this.#walk({ ...fields }));
    while (true) {
      const steps = walks.map((walk) => walk.next());
      const held = steps.flatMap((step) => step.done ? [] : [step.value]);
      if (held.length < steps.length) {
        return steps.map((step) =>
          step.done ? step.value : { out: undefined, fields: step.value.fields, tables: [] }
        );
      }
      trackAll(held, connections);
    }
  }

  *#walk(fields: Record<string, number>): Generator<Held, Ending> {
    const tables: number[] = [];
    for (let table: number | undefined = 0; table !== undefined;) {
      tables.push(table);
      if (tables.length > 40) throw new Error(`a loop at table ${table}`);
      let next: number | undefined;
      for (const action of this.#find(table, fields).actions) {
        const out = outputOf(action);
        if (out !== undefined) return { out, fields, tables };
        // Copies end in their zone.
        if (action === "drop" || action.startsWith("clone(")) continue;
        const track = trackOf(action, fields);
        if (!track) {
          next = apply(action, fields) ?? next;
          continue;
        }
        yield { fields, ...track };
        next = track.table;
      }
      table = next;
    }
    return { out: undefined, fields, tables };
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
    if (this.#missing === "dropped") return NO_FLOW;
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
    actions: partsOf(actions),
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
  return [matchOf(name, numberOf(value), mask === undefined ? EVERY_BIT : maskOf(value, mask))];
}

/** Of an address it is a prefix length. */
function maskOf(value: string, mask: string): number {
  return value.includes(".") ? 2 ** 32 - 2 ** (32 - Number(mask)) : numberOf(mask);
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function matchOf(name: string, value: number, mask: number): Match {
  return { name, value: halves(value), mask: halves(mask) };
}
