// A connection tracker as far as the policy tables need one: which connections are known in which zone,
// and what ct() then writes into a packet's fields (ovs-fields(7), "Connection Tracking Fields").

import type { Fields } from "./flow_machine.ts";

type Tuple = Readonly<
  Record<"source" | "target" | "protocol" | "sourcePort" | "targetPort", number>
>;

const [NEW, ESTABLISHED, REPLY, TRACKED] = [1, 2, 8, 32];

/** Connections by zone. */
export class Connections {
  readonly #zones = new Map<number, Tuple[]>();

  /** Remembers the connection that a packet begins. */
  commit(zone: number, packet: Fields): void {
    this.#zones.set(zone, [...this.#zones.get(zone) ?? [], tupleOf(packet)]);
  }

  /** Returns the first packet of the connection that a packet belongs to, and whether this is an answer. */
  find(
    zone: number,
    packet: Fields,
  ): { readonly first: Tuple; readonly isReply: boolean } | undefined {
    const tuple = tupleOf(packet);
    for (const first of this.#zones.get(zone) ?? []) {
      if (isSame(first, tuple)) return { first, isReply: false };
      if (isSame(first, reversed(tuple))) return { first, isReply: true };
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
  const { source, target, protocol, sourcePort, targetPort } = known?.first ?? tupleOf(packet);
  return {
    ctZone: zone,
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
