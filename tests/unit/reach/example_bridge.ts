// The integration bridge of the example's host h1, with the flows that the program makes: of ports, of trunks, of
// distributed gateways and of policies.

import { bridgeFlows } from "../../../lib/reach/bridge_flows.ts";
import { BASE_FLOWS } from "../../../lib/ovs/bridge/bridge.ts";
import { flowText } from "../../../lib/ovs/openflow/flow.ts";
import { portFlows } from "../../../lib/ovs/ports/port_flows.ts";
import { trunkFlows } from "../../../lib/ovs/uplink/trunk.ts";
import type { ContivRule, NetworkPolicy } from "../../../lib/policy/input.ts";
import { build } from "../policy/build.ts";
import { Connections } from "../policy/connections.ts";
import { type Ending, type Fields, FlowMachine } from "../policy/flow_machine.ts";
import { numberOf } from "../policy/flow_words.ts";
import { macOf, MODEL, type PodName, PODS, portOf, PORTS } from "./example_model.ts";

/** An IPv4 packet; TCP from a high port to port 80 if nothing else is said. */
export interface Packet {
  readonly from: string;
  readonly to: string;
  readonly protocol?: number;
  readonly ports?: readonly [from: number, to: number];
  readonly tcpFlags?: number;
}

/** Who has policies, and which. */
export type Policies = Readonly<Partial<Record<PodName, readonly ContivRule[]>>>;

/** The bridge, and its connection tracker. */
export class ExampleBridge {
  readonly connections = new Connections();
  readonly flows: readonly string[];
  readonly #machine: FlowMachine;

  /** `kube`: NetworkPolicies; each pod's namespace is its tenant. */
  constructor(policies: Policies = {}, kube: readonly NetworkPolicy[] = []) {
    const { flows: policyFlows, tags } = policyFlowsOf(policies, kube);
    const trunk = (ofport: number, vlans: readonly number[]) =>
      trunkFlows({
        ...{ ofport, tags: vlans, distributedTags: vlans, policyVlans: tags },
        cookies: { value: 1n, mask: 0n },
      });
    this.flows = [
      ...BASE_FLOWS.map(flowText),
      ...PODS.map(portOf).flatMap((port) => portFlows(port.ofport, port, { policyVlans: tags }))
        .map(flowText),
      ...trunk(PORTS.patch, [100, 101, 102]),
      ...trunk(PORTS.uplink, [103]),
      ...bridgeFlows(MODEL, PORTS, tags),
      ...policyFlows,
    ];
    this.#machine = new FlowMachine(this.flows, "dropped");
  }

  /** Returns where a pod's packet to the gateway's MAC ends, or to `mac`. */
  fromPod(pod: PodName, packet: Packet, mac = MODEL.self.mac): Ending {
    const { ofport, mac: own } = portOf(pod);
    return this.send(
      { inPort: ofport, vlanTci: 0, dlSrc: numberOf(own), dlDst: numberOf(mac) },
      packet,
    );
  }

  /** Returns where a packet ends that the host's stack sends to pods. */
  fromHost(packet: Packet): Ending {
    const dlDst = numberOf("02:02:a9:fe:01:01");
    return this.send(
      { inPort: PORTS.host, vlanTci: 0, dlSrc: numberOf(MODEL.self.mac), dlDst },
      packet,
    );
  }

  /** Returns where a packet ends that comes from another host, to a MAC. */
  fromTrunk(tag: number, packet: Packet, mac: string, inPort: number = PORTS.patch): Ending {
    const tagged = { inPort, dlVlan: tag, vlanTci: 0x1000 | tag };
    return this.send(
      { ...tagged, dlSrc: numberOf(macOf(packet.from)), dlDst: numberOf(mac) },
      packet,
    );
  }

  /** Returns where any frame ends. */
  send(frame: Fields, packet?: Packet): Ending {
    return this.#machine.follow({ ...frame, ...packet && ipv4(packet) }, this.connections);
  }
}

function ipv4({ from, to, protocol = 6, ports = [40_000, 80], tcpFlags = 2 }: Packet): Fields {
  return {
    ...{ ethType: 0x800, nwSrc: numberOf(from), nwDst: numberOf(to), nwProto: protocol, nwTtl: 64 },
    ...{ tpSrc: ports[0], tpDst: ports[1], tcpFlags: protocol === 6 ? tcpFlags : 0 },
  };
}

/** The tenant of contiv's groups: those of d1 are in the one of a1. */
const groupTenantOf = (id: string) => id.startsWith("two/") ? "two" : "one";

/** Each pod is a group of its own name; networks of one tenant see each other's groups. */
function policyFlowsOf(policies: Policies, kube: readonly NetworkPolicy[]) {
  const endpoints = PODS.map((pod) => {
    const { tag, addresses: [ip = ""] } = portOf(pod);
    const { id = "", routedTo = [] } = MODEL.networks.find((one) => one.tag === tag) ?? {};
    const [namespace = "", network = ""] = id.split("/");
    const tenant = kube.length > 0 ? namespace : groupTenantOf(id);
    return {
      ...{ id: pod, tenant, network, tag, ip, isHere: true, isDistributed: true, routedTo },
      ...{ namespace, labels: {}, ports: [], group: pod },
    };
  });
  const names = [...new Set(endpoints.map(({ namespace }) => namespace))];
  const { flows } = build({
    endpoints,
    namespaces: names.map((name) => ({ name, labels: { name } })),
    policies: kube,
    tenants: ["one", "two"].map((tenant) => ({
      ...{ tenant, subnets: {} },
      groups: endpoints.filter((one) => one.tenant === tenant)
        .map(({ id }) => ({ name: id, policies: policies[id] ? [id] : [] })),
      policies: Object.entries(policies).map(([name, rules]) => ({ name, rules })),
    })),
  });
  return { flows: flows.flows(), tags: flows.tags };
}
