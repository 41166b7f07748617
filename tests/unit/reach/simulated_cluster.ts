// Hosts with the flows and the packet filter that the program makes from one store, and what is between them: pods'
// links, tunnels by MAC, a switch for VLANs, and a world outside. A packet goes through all of it, and so
// does its answer.

import { planFabric } from "../../../lib/agent/fabric/plan_fabric.ts";
import { LocalTags } from "../../../lib/agent/pods/local_tags.ts";
import { reachOfAttachment } from "../../../lib/agent/reach/attachment_reach.ts";
import { planReach } from "../../../lib/agent/reach/plan_reach.ts";
import {
  type AttachmentRecord,
  type Documents,
  keys,
  type NetworkRecord,
} from "../../../lib/intent/records.ts";
import { addressToText } from "../../../lib/ipam/subnets.ts";
import { BASE_FLOWS } from "../../../lib/ovs/bridge/bridge.ts";
import { flowText } from "../../../lib/ovs/openflow/flow.ts";
import { portFlows } from "../../../lib/ovs/ports/port_flows.ts";
import { trunkFlows } from "../../../lib/ovs/uplink/trunk.ts";
import { bridgeFlows } from "../../../lib/reach/bridge_flows.ts";
import { hostSideOf } from "../../../lib/reach/host_side.ts";
import { HOST_PORT, type ReachModel } from "../../../lib/reach/reach_model.ts";
import { Connections } from "../policy/connections.ts";
import { type Fields, FlowMachine } from "../policy/flow_machine.ts";
import { numberOf } from "../policy/flow_words.ts";
import { isWithin } from "./addresses.ts";
import {
  answerTo,
  SimulatedStack,
  type StackEnding,
  type StackPacket,
  type Translation,
  UPLINK,
} from "./simulated_stack.ts";

/** Where a packet starts or ends: `pod ID`, `host NAME`, `outside NAME` (behind that host), `dropped at …`. */
export type Place = string;

/** The end of a packet's way. */
export interface Arrival {
  readonly place: Place;
  /** The packet as it arrives. */
  readonly packet: StackPacket;
}

/** A pod's interface, and its attachment. */
interface Port {
  readonly ofport: number;
  readonly tag: number;
  readonly attachment: AttachmentRecord;
}

interface Host {
  readonly name: string;
  readonly model: ReachModel | undefined;
  readonly ports: readonly Port[];
  readonly machine: FlowMachine;
  readonly connections: Connections;
  readonly stack: SimulatedStack | undefined;
  /** Tag of a network here. */
  readonly tagOf: (network: NetworkRecord) => number | undefined;
}

const PORTS = { host: 1, patch: 2, uplink: 3 } as const;
const NEXT_HOP_MAC = "02:02:a9:fe:01:01";

/** What the simulation needs beside the store. */
export interface Surroundings {
  /** Addresses of the hosts' uplinks, by name. */
  readonly uplinks: Readonly<Record<string, string>>;
  readonly services: ReadonlyMap<string, Translation>;
}

/** Returns the id of an attachment's pod: `tenant/network/endpoint`. */
export function podId({ tenant, network, endpoint }: AttachmentRecord): string {
  return `${tenant}/${network}/${endpoint}`;
}

/** A cluster. */
export class SimulatedCluster {
  readonly #documents: Documents;
  readonly #hosts: readonly Host[];
  readonly #uplinks: Surroundings["uplinks"];

  constructor(documents: Documents, { uplinks, services }: Surroundings) {
    this.#documents = documents;
    this.#uplinks = uplinks;
    this.#hosts = Object.keys(uplinks).map((name) =>
      hostOf(documents, name, { uplinkAddress: uplinks[name]!, services })
    );
  }

  /** Returns where a packet of a pod arrives; it knows the MAC of each pod of its network. */
  fromPod(id: string, packet: StackPacket): Arrival {
    const host = this.#hosts.find(({ ports }) =>
      ports.some((one) => podId(one.attachment) === id)
    )!;
    const { attachment, ofport } = host.ports.find((one) => podId(one.attachment) === id)!;
    if (packet.to === addressOf(attachment)) return { place: `pod ${id}`, packet };
    const network = this.#networkOf(attachment);
    const neighbour = isWithin(packet.to, network.subnet)
      ? this.#attachmentsOf(network).find((one) => addressOf(one) === packet.to)?.mac
      : host.model?.self.mac;
    if (neighbour === undefined) return dropped("its pod: no neighbour has the address", packet);
    return this.#bridge(host, {
      ...frameOf(packet, attachment.mac, neighbour),
      ...{ inPort: ofport, vlanTci: 0 },
    });
  }

  /** Returns where a packet of a host's own arrives. */
  fromHost(name: string, packet: Omit<StackPacket, "from">): Arrival {
    const host = this.#host(name);
    return this.#leave(host, host.stack!.send(packet));
  }

  /** Returns where a packet arrives that comes from outside to a host. */
  fromOutside(name: string, packet: StackPacket): Arrival {
    const host = this.#host(name);
    return this.#leave(host, host.stack!.receive(packet, UPLINK));
  }

  /** Returns where the answer to a packet arrives that has arrived. */
  answer({ place, packet }: Arrival): Arrival {
    const [kind, name = ""] = place.split(" ");
    const answer = answerTo(packet);
    if (kind === "pod") return this.fromPod(name, answer);
    if (kind === "outside") return this.fromOutside(name, answer);
    const host = this.#host(name);
    return this.#leave(host, host.stack!.receive(answer));
  }

  #host(name: string): Host {
    return this.#hosts.find((one) => one.name === name)!;
  }

  #networkOf({ tenant, network }: AttachmentRecord): NetworkRecord {
    return this.#documents.get(keys.network(tenant, network))!.value as NetworkRecord;
  }

  #attachmentsOf({ tenant, name }: NetworkRecord): AttachmentRecord[] {
    return this.#hosts.flatMap(({ ports }) => ports.map(({ attachment }) => attachment))
      .filter((one) => one.tenant === tenant && one.network === name);
  }

  #bridge(host: Host, frame: Fields): Arrival {
    const { out, fields } = host.machine.follow(frame, host.connections);
    const packet = packetOf(fields);
    if (out === undefined) return dropped(`the switch of ${host.name}`, packet);
    if (out === PORTS.host) {
      const isForHost = fields.dlDst === numberOf(host.model!.self.mac) && !fields.vlanTci;
      if (!isForHost) return dropped(`${HOST_PORT} of ${host.name}: another MAC`, packet);
      return this.#leave(host, host.stack!.receive(packet, HOST_PORT));
    }
    if (out === PORTS.patch || out === PORTS.uplink) return this.#trunk(host, out, fields);
    if (out === "NORMAL") return this.#byMac(host, frame, fields);
    const port = host.ports.find(({ ofport }) => ofport === out);
    return port ? arrive(port, fields) : dropped(`port ${out} of ${host.name}`, packet);
  }

  /** As a learning switch that has learned all MACs of pods. */
  #byMac(host: Host, frame: Fields, fields: Fields): Arrival {
    const access = host.ports.find(({ ofport }) => ofport === frame.inPort);
    const tag = access?.tag ?? fields.dlVlan ?? 0;
    const local = host.ports.find((port) =>
      port.tag === tag && numberOf(port.attachment.mac) === fields.dlDst
    );
    if (local) return arrive(local, fields);
    const network = this.#networkWith(host, tag);
    if (!access || !network) return dropped(`the switch of ${host.name}: no MAC`, packetOf(fields));
    const trunk = network.encap === "vxlan" ? PORTS.patch : PORTS.uplink;
    return this.#trunk(host, trunk, { ...fields, dlVlan: tag, vlanTci: 0x1000 | tag });
  }

  /** By the tunnel or the VLANs' switch to the host that has the MAC. */
  #trunk(from: Host, trunk: number, fields: Fields): Arrival {
    const network = this.#networkWith(from, fields.dlVlan ?? 0);
    const isRight = network && (network.encap === "vxlan") === (trunk === PORTS.patch);
    if (!isRight) return dropped(`a trunk of ${from.name}: no network`, packetOf(fields));
    const to = this.#hosts.find((host) => {
      const macs = this.#attachmentsOf(network).filter((one) => one.host === host.name)
        .map(({ mac }) => mac);
      const gateway = host.model?.self.mac;
      return host !== from &&
        [...macs, ...gateway === undefined ? [] : [gateway]].some((mac) =>
          numberOf(mac) === fields.dlDst
        );
    });
    if (!to) return dropped(`a trunk of ${from.name}: no host has the MAC`, packetOf(fields));
    const tag = to.tagOf(network)!;
    // Registers and tracking do not leave the switch.
    const { dlSrc = 0, dlDst = 0, ethType = 0, nwSrc = 0, nwDst = 0 } = fields;
    const { nwProto = 0, nwTtl = 0, tpSrc = 0, tpDst = 0, tcpFlags = 0 } = fields;
    return this.#bridge(to, {
      ...{ dlSrc, dlDst, ethType, nwSrc, nwDst, nwProto, nwTtl, tpSrc, tpDst, tcpFlags },
      ...{ inPort: trunk, dlVlan: tag, vlanTci: 0x1000 | tag },
    });
  }

  #networkWith(host: Host, tag: number): NetworkRecord | undefined {
    return [...this.#documents].filter(([key]) => key.startsWith("networks/"))
      .map(([, { value }]) => value as NetworkRecord)
      .find((network) => host.tagOf(network) === tag);
  }

  #leave(host: Host, { at, packet }: StackEnding): Arrival {
    if (at === "dropped") return dropped(`the packet filter of ${host.name}`, packet);
    if (at === "host") return { place: `host ${host.name}`, packet };
    if (at === UPLINK) return this.#outside(host, packet);
    return this.#bridge(host, {
      ...frameOf(packet, host.model!.self.mac, NEXT_HOP_MAC),
      ...{ inPort: PORTS.host, vlanTci: 0 },
    });
  }

  #outside(from: Host, packet: StackPacket): Arrival {
    const other = this.#hosts.find(({ name }) => this.#uplinks[name] === packet.to);
    if (!other?.stack || other === from) return { place: `outside ${from.name}`, packet };
    return this.#leave(other, other.stack.receive(packet, UPLINK));
  }
}

function hostOf(
  documents: Documents,
  name: string,
  more: { readonly uplinkAddress: string; readonly services: Surroundings["services"] },
): Host {
  const tags = new LocalTags();
  const tagOf = (network: NetworkRecord) => tags.tagOf(documents, network);
  const model = planReach(documents, { host: name, tagOf, mtuOf: () => 1_450 });
  const ports = [...documents].filter(([key]) => key.startsWith(`attachments/${name}/`))
    .map(([, { value }], at): Port => {
      const attachment = value as AttachmentRecord;
      const network = documents.get(keys.network(attachment.tenant, attachment.network))!;
      return { ofport: 1_001 + at, tag: tagOf(network.value as NetworkRecord)!, attachment };
    });
  return {
    ...{ name, model, ports, tagOf, connections: new Connections() },
    machine: new FlowMachine(flowsOf(documents, { name, model, ports, tagOf }), "dropped"),
    stack: model && new SimulatedStack(hostSideOf(model), more),
  };
}

function flowsOf(
  documents: Documents,
  { name, model, ports, tagOf }: Pick<Host, "name" | "model" | "ports" | "tagOf">,
): string[] {
  const { uplink, overlay } = planFabric(documents, { host: name }, tagOf);
  const local = overlay?.networks ?? [];
  const trunks = [
    { ofport: PORTS.uplink, tags: uplink?.tags ?? [], distributedTags: uplink?.distributedTags },
    {
      ofport: PORTS.patch,
      tags: local.map(({ localTag }) => localTag),
      distributedTags: local.filter((one) => one.isDistributed).map(({ localTag }) => localTag),
    },
  ];
  const portFlowsOf = ({ ofport, tag, attachment }: Port) => {
    const network = documents.get(keys.network(attachment.tenant, attachment.network));
    const reach = reachOfAttachment(documents, attachment, network!.value as NetworkRecord);
    const { mac } = attachment;
    return portFlows(ofport, { tag, mac, addresses: [addressOf(attachment)], reach });
  };
  return [
    ...BASE_FLOWS.map(flowText),
    ...ports.flatMap(portFlowsOf).map(flowText),
    ...trunks.flatMap((one) => trunkFlows({ ...one, cookies: { value: 1n, mask: 0n } })),
    ...model ? bridgeFlows(model, PORTS, new Set()) : [],
  ];
}

/** Returns the address of an attachment without its prefix length. */
export function addressOf({ addresses: [cidr = ""] }: AttachmentRecord): string {
  return cidr.split("/")[0]!;
}

function arrive({ attachment }: Port, fields: Fields): Arrival {
  const packet = packetOf(fields);
  // A pod's own stack drops what is not for it, and what seems to come from itself (RFC 1812, section 5.3.8).
  const isForIt = packet.to === addressOf(attachment) && packet.from !== packet.to &&
    numberOf(attachment.mac) === fields.dlDst;
  return isForIt
    ? { place: `pod ${podId(attachment)}`, packet }
    : dropped(`pod ${podId(attachment)}: another address`, packet);
}

function dropped(where: string, packet: StackPacket): Arrival {
  return { place: `dropped at ${where}`, packet };
}

function frameOf({ from, to, ports }: StackPacket, source: string, target: string): Fields {
  return {
    ...{ dlSrc: numberOf(source), dlDst: numberOf(target), ethType: 0x800 },
    ...{ nwSrc: numberOf(from), nwDst: numberOf(to), nwProto: 6, nwTtl: 64 },
    ...{ tpSrc: ports[0], tpDst: ports[1], tcpFlags: 2 },
  };
}

function packetOf({ nwSrc = 0, nwDst = 0, tpSrc = 0, tpDst = 0 }: Fields): StackPacket {
  return { from: addressToText(nwSrc), to: addressToText(nwDst), ports: [tpSrc, tpDst] };
}
