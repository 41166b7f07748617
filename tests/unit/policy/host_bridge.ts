// A host's integration bridge in a test: table 0 as this program makes it for its pods' ports and for the
// uplink, then the policy tables. A packet enters it as a frame would.

import { BASE_FLOWS } from "../../../lib/ovs/bridge/bridge.ts";
import { antispoofFlows } from "../../../lib/ovs/ports/antispoof_flows.ts";
import { flowText } from "../../../lib/ovs/openflow/flow.ts";
import { trunkFlows } from "../../../lib/ovs/uplink/trunk.ts";
import { Connections } from "./connections.ts";
import { type Fields, FlowMachine, type Outcome } from "./flow_machine.ts";
import { FIRST, LATER, numberOf } from "./flow_words.ts";

/** A pod's port. */
export interface BridgePort {
  readonly tag: number;
  readonly mac: string;
  readonly ip: string;
}

/** A packet between two addresses; a side without a port here is somewhere else. */
export interface BridgePacket {
  readonly from?: BridgePort | undefined;
  readonly to?: BridgePort | undefined;
  /** Access tag of the network where it appears. */
  readonly tag: number;
  readonly fromIp: string;
  readonly toIp: string;
  readonly protocol: number;
  readonly fromPort: number;
  readonly toPort: number;
  /** @default "syn" */
  readonly tcpFlags?: "syn" | "ack";
}

const UPLINK = 1;
const TCP_FLAGS = { syn: 2, ack: 16 };
const ELSEWHERE = "02:00:00:00:00:01";

/** Tables of one host, and its connection tracker. */
export class HostBridge {
  readonly connections = new Connections();
  readonly #machine: FlowMachine;
  readonly #ports: readonly BridgePort[];

  /** `policed`: tags of the networks whose frames go through the policy tables, `flows`. */
  constructor(
    ports: readonly BridgePort[],
    { flows, policed }: {
      readonly flows: readonly string[];
      readonly policed: ReadonlySet<number>;
    },
  ) {
    this.#ports = ports;
    const tags = [...new Set(ports.map(({ tag }) => tag))];
    this.#machine = new FlowMachine([
      ...[
        ...BASE_FLOWS,
        ...ports.flatMap((port, at) =>
          antispoofFlows(ofportAt(at), { ...port, addresses: [port.ip] }, policed)
        ),
      ].map(flowText),
      ...trunkFlows({
        ofport: UPLINK,
        tags,
        cookies: { value: 1n, mask: 0n },
        policyVlans: policed,
      }),
      ...flows,
    ]);
  }

  /** Returns where a packet ends that comes out of its sender's port, or in by the uplink. */
  pass(packet: BridgePacket, connections = this.connections): Outcome {
    return this.passFrame(packet, frameOf(packet), connections);
  }

  /** Returns where the fragments of a packet end; those after the first one have no ports. */
  passFragments(packet: BridgePacket, count: number): Outcome[] {
    const first = { ...this.#entryOf(packet), ...frameOf(packet), nwFrag: FIRST };
    const later = { ...first, nwFrag: LATER, tpSrc: 0, tpDst: 0, tcpFlags: 0 };
    const fragments = [first, ...Array.from({ length: count - 1 }, () => later)];
    return this.#machine.runDatagram(fragments, this.connections);
  }

  /** The same for any frame. */
  passFrame(
    packet: Pick<BridgePacket, "from" | "tag">,
    frame: Fields,
    connections = this.connections,
  ): Outcome {
    return this.#machine.run({ ...this.#entryOf(packet), ...frame }, connections);
  }

  #entryOf({ from, tag }: Pick<BridgePacket, "from" | "tag">): Fields {
    const at = this.#ports.findIndex((port) => port === from);
    return at < 0 ? { inPort: UPLINK, dlVlan: tag } : { inPort: ofportAt(at), vlanTci: 0 };
  }
}

function frameOf(packet: BridgePacket): Fields {
  const { from, to, fromIp, toIp, protocol, fromPort, toPort, tcpFlags = "syn" } = packet;
  return {
    ethType: 0x800,
    dlSrc: numberOf(from?.mac ?? ELSEWHERE),
    dlDst: numberOf(to?.mac ?? ELSEWHERE),
    nwSrc: numberOf(fromIp),
    nwDst: numberOf(toIp),
    nwProto: protocol,
    tpSrc: fromPort,
    tpDst: toPort,
    tcpFlags: protocol === 6 ? TCP_FLAGS[tcpFlags] : 0,
  };
}

function ofportAt(at: number): number {
  return UPLINK + 1 + at;
}
