// A connection tracker as far as the policy tables need one: which connections are known in which zone,
// and what ct() then writes into a packet's fields (ovs-fields(7), "Connection Tracking Fields").

import type { Fields } from "./flow_machine.ts";

type Tuple = Readonly<
  Record<"source" | "target" | "protocol" | "sourcePort" | "targetPort", number>
>;

const [NEW, ESTABLISHED, REPLY, TRACKED] = [1, 2, 8, 32];

/** What is remembered of a connection beside its first packet. */
export interface Remembered {
  /** Addresses that its packets get; those of answers are translated back. */
  readonly source?: number;
  readonly target?: number;
  readonly mark?: number;
}

interface Connection extends Remembered {
  readonly first: Tuple;
  /** The first packet after its translation. */
  readonly translated: Tuple;
}

/** Connections by zone. */
export class Connections {
  readonly #zones = new Map<number, Connection[]>();

  /** Remembers the connection that a packet begins. */
  commit(zone: number, packet: Fields, more: Remembered = {}): void {
    const first = tupleOf(packet);
    const { source = first.source, target = first.target } = more;
    const translated = { ...first, source, target };
    this.#zones.set(zone, [...this.#zones.get(zone) ?? [], { first, translated, ...more }]);
  }

  /** Returns the addresses that a packet gets which belongs to a known connection. */
  translate(zone: number, packet: Fields): Fields {
    const { connection, isReply } = this.find(zone, packet) ?? {};
    if (!connection) return {};
    const { first, translated } = connection;
    return isReply
      ? { nwSrc: first.target, nwDst: first.source }
      : { nwSrc: translated.source, nwDst: translated.target };
  }

  /** Returns the connection that a packet belongs to, and whether the packet is an answer. */
  find(
    zone: number,
    packet: Fields,
  ): { readonly connection: Connection; readonly isReply: boolean } | undefined {
    const tuple = tupleOf(packet);
    for (const connection of this.#zones.get(zone) ?? []) {
      if (isSame(connection.first, tuple)) return { connection, isReply: false };
      if (isSame(connection.translated, reversed(tuple))) return { connection, isReply: true };
    }
    return undefined;
  }

  /** Number of connections in all zones. */
  get size(): number {
    return [...this.#zones.values()].flat().length;
  }
}

/** Returns the fields that ct() sets: of a known connection those of its first packet. */
export function ctFields(connections: Connections, zone: number, packet: Fields): Fields {
  const known = connections.find(zone, packet);
  const { source, target, protocol, sourcePort, targetPort } = known?.connection.first ??
    tupleOf(packet);
  return {
    ctZone: zone,
    ctMark: known?.connection.mark ?? 0,
    ctState: TRACKED | (known ? ESTABLISHED | (known.isReply ? REPLY : 0) : NEW),
    ctNwSrc: source,
    ctNwDst: target,
    ctNwProto: protocol,
    ctTpSrc: sourcePort,
    ctTpDst: targetPort,
  };
}

function tupleOf({ nwSrc = 0, nwDst = 0, nwProto = 0, tpSrc = 0, tpDst = 0 }: Fields): Tuple {
  return {
    source: nwSrc,
    target: nwDst,
    protocol: nwProto,
    sourcePort: tpSrc,
    targetPort: tpDst,
  };
}

function reversed({ source, target, protocol, sourcePort, targetPort }: Tuple): Tuple {
  return {
    source: target,
    target: source,
    protocol,
    sourcePort: targetPort,
    targetPort: sourcePort,
  };
}

function isSame(a: Tuple, b: Tuple): boolean {
  return a.source === b.source && a.target === b.target && a.protocol === b.protocol &&
    a.sourcePort === b.sourcePort && a.targetPort === b.targetPort;
}
