// Host h1 of two, as in the design's own example: blue and sys own their subnets, red has blue's addresses and is
// aliased, dmz has no word at all. blue and sys are routed to each other.

import type {
  LocalPod,
  ReachHost,
  ReachModel,
  ReachNetwork,
} from "../../../lib/reach/reach_model.ts";
import { portReachOf } from "../../../lib/reach/port_reach.ts";
import type { PortSpec } from "../../../lib/ovs/switch.ts";

/** OpenFlow numbers of the bridge's own ports, and of the pods' ports by pod. */
export const PORTS = { host: 1, patch: 2, uplink: 3 } as const;
export const POD_PORTS = { a1: 1001, a2: 1002, b1: 1003, b2: 1004, d1: 1005, e1: 1006 } as const;

export const SERVICES = "10.96.0.0/12";

/** Returns the MAC of an address, as the program makes it. */
export function macOf(address: string): string {
  const bytes = address.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `02:02:${bytes.join(":")}`;
}

/** Returns the addresses of a host. */
export function hostOf(number: number): ReachHost {
  const node = `100.65.0.${number}`;
  return {
    ...{ name: `h${number}`, node, nat: `100.66.0.${number}`, mac: macOf(node) },
    vtep: `192.168.77.${number}`,
  };
}

const local = (address: string, alias?: number): LocalPod => ({
  ...{ address, mac: macOf(address) },
  ...alias && { alias: { address: `100.64.0.${alias}`, hairpin: `100.64.128.${alias}` } },
});
const remote = (address: string) => ({ address, mac: macOf(address), host: "h2" });

const BLUE: ReachNetwork = {
  ...{ id: "one/blue", tag: 100, vni: 1001, subnet: "10.1.1.0/24", gateway: "10.1.1.254" },
  ...{ reach: new Set(["host", "services", "outside", "ports"]), routedTo: ["sys/sys"] },
  ...{ natOutgoing: true, mtu: 1450, local: [local("10.1.1.1"), local("10.1.1.2")] },
  remote: [remote("10.1.1.3")],
};
const RED: ReachNetwork = {
  ...{ id: "two/red", tag: 101, vni: 1002, subnet: "10.1.1.0/24", gateway: "10.1.1.254" },
  ...{ aliasedBecause: "one/blue", reach: new Set(["services", "outside"]), routedTo: [] },
  ...{ natOutgoing: true, mtu: 1450, local: [local("10.1.1.1", 1), local("10.1.1.9", 2)] },
  remote: [remote("10.1.1.3")],
};
const SYS: ReachNetwork = {
  ...{ id: "sys/sys", tag: 102, vni: 1003, subnet: "10.9.9.0/24", gateway: "10.9.9.254" },
  ...{ reach: new Set(["services"]), routedTo: ["one/blue"], natOutgoing: true, mtu: 1450 },
  ...{ local: [local("10.9.9.1")], remote: [remote("10.9.9.2")] },
};
const DMZ: ReachNetwork = {
  ...{ id: "one/dmz", tag: 103, subnet: "10.8.8.0/24", gateway: "10.8.8.254" },
  ...{ reach: new Set(), routedTo: [], natOutgoing: true, mtu: 1500 },
  ...{ local: [local("10.8.8.1")], remote: [remote("10.8.8.2")] },
};

/** The model of h1. */
export const MODEL: ReachModel = {
  ...{ self: hostOf(1), others: [hostOf(2)], networks: [DMZ, BLUE, SYS, RED] },
  ...{ serviceCidrs: [SERVICES, "169.254.20.10/32"], aliasRange: "100.64.0.0/16" },
};

/** A pod of the example. */
export type PodName = keyof typeof POD_PORTS;

const PLACES: Readonly<Record<PodName, readonly [network: ReachNetwork, at: number]>> = {
  ...{ a1: [BLUE, 0], a2: [BLUE, 1], b1: [RED, 0], b2: [RED, 1], d1: [SYS, 0], e1: [DMZ, 0] },
};

/** Returns the port of a pod on h1, as the agent adds it. */
export function portOf(pod: PodName): PortSpec & { readonly ofport: number } {
  const [network, at] = PLACES[pod];
  const { address, mac, alias } = network.local[at]!;
  return {
    ...{ name: `v${pod}`, ofport: POD_PORTS[pod], tag: network.tag, mac, addresses: [address] },
    ...{ externalIds: {}, reach: portReachOf(network, MODEL.self, alias) },
  };
}

/** All pods of h1. */
export const PODS = Object.keys(POD_PORTS) as PodName[];
