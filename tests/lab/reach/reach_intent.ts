// The intent of tests of reach: tenants `one` and `two` have the same subnet. `one/blue` owns it in the hosts'
// stacks, so that `two/red` is aliased. `one/sys` is another network of tenant `one`, and routed to blue.

import { vtepOf } from "../cluster/host.ts";
import { SERVICE_CIDR } from "./services.ts";

/** How pods' frames travel between hosts. */
export type ReachFabric = "vxlan" | "vlan";

/** A pod of the tests. */
export interface ReachPod {
  readonly name: string;
  /** Of its tenant, too. */
  readonly namespace: string;
  readonly network: string;
  readonly ip: string;
  /** Number of its host. */
  readonly host: number;
}

/** Pods by network and host. Those of red have the same addresses as those of blue. */
export const REACH_PODS: readonly ReachPod[] = [
  { name: "a1", namespace: "one", network: "blue", ip: "10.1.1.1", host: 1 },
  { name: "a2", namespace: "one", network: "blue", ip: "10.1.1.2", host: 1 },
  { name: "a3", namespace: "one", network: "blue", ip: "10.1.1.3", host: 2 },
  { name: "b1", namespace: "two", network: "red", ip: "10.1.1.1", host: 1 },
  { name: "b2", namespace: "two", network: "red", ip: "10.1.1.2", host: 1 },
  { name: "b3", namespace: "two", network: "red", ip: "10.1.1.3", host: 2 },
  { name: "d1", namespace: "one", network: "sys", ip: "10.9.9.1", host: 1 },
  { name: "d2", namespace: "one", network: "sys", ip: "10.9.9.2", host: 2 },
];

/** Pod a2 is only asked by a1, at port 8080; a1 is the group `app`. */
const RULES = [
  { Id: "1", Direction: "in", Action: "deny" },
  ...["tcp", "udp"].map((protocol, at) => ({
    ...{ Id: `${2 + at}`, Priority: 100, Direction: "in", FromGroup: "app" },
    ...{ Protocol: protocol, Port: 8080, Action: "allow" },
  })),
];

const GROUPS: Readonly<Record<string, string>> = { a1: "app", a2: "web" };

function endpointsOf(network: string) {
  return REACH_PODS.filter((pod) => pod.network === network).map(({ name, namespace, ip }) => ({
    ...{ Container: name, Namespace: namespace, IpAddress: ip },
    ...name in GROUPS ? { Group: GROUPS[name] } : {},
  }));
}

/** Returns the intent for two hosts; without `isGuarded`, it has no policies. */
export function reachIntent(fabric: ReachFabric, { isGuarded = true } = {}): unknown {
  const place = (n: number) => fabric === "vxlan" ? { VtepIp: vtepOf(n) } : { Intf: "eth2" };
  const network = (name: string, subnet: string, fields: object) => ({
    ...{ Name: name, SubnetCIDR: `${subnet}.0/24`, DefaultGw: `${subnet}.254` },
    ...{ GatewayType: "distributed", Endpoints: endpointsOf(name) },
    ...fields,
  });
  const tenant = (name: string, first: number, fields: object) => ({
    ...{ Name: name, DefaultNetType: fabric, SubnetPool: "10.0.0.0/8", AllocSubnetLen: 24 },
    ...{ Vlans: `${first}-${first + 90}`, Vxlans: `${10 * first}-${10 * first + 900}` },
    Namespaces: [name],
    ...fields,
  });
  return {
    ServiceCIDR: [SERVICE_CIDR],
    Hosts: [1, 2].map((n) => ({ Name: `host${n}`, ...place(n) })),
    Tenants: [
      tenant("one", 1_100, {
        Groups: [
          { Name: "app", Network: "blue" },
          { Name: "web", Network: "blue", Policies: isGuarded ? ["guard"] : [] },
        ],
        Policies: isGuarded ? [{ Name: "guard", Rules: RULES }] : [],
        Networks: [
          network("blue", "10.1.1", {
            Reach: ["host", "services", "outside", "ports"],
            ReachNetworks: ["sys"],
          }),
          network("sys", "10.9.9", { Reach: ["services"] }),
        ],
      }),
      tenant("two", 1_300, {
        Networks: [network("red", "10.1.1", { Reach: ["services", "outside"] })],
      }),
    ],
  };
}
