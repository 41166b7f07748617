// Flows of a port in a network with a distributed gateway: they come and go with the port, so that its first
// packet is answered. What is the same for all ports of a network is in lib/reach/bridge_flows.ts. Pure.

import type { Action } from "../openflow/actions.ts";
import { antispoofCookie } from "../openflow/cookies.ts";
import type { Flow } from "../openflow/flow.ts";
import {
  aliasZone,
  BY_ADDRESS,
  PORT_REACH_TABLES as TABLES,
  SERVICE_MARK,
  serviceZone,
} from "../openflow/port_reach_tables.ts";
import type { PortReach } from "../switch.ts";

/** What these flows depend on. */
export interface PortReachSpec {
  readonly ofport: number;
  readonly tag: number;
  readonly mac: string;
  /** Bare IPv4 addresses; a pod with an alias has one. */
  readonly addresses: readonly string[];
  readonly reach: PortReach;
}

/** A port with one of its addresses. */
type One = Omit<PortReachSpec, "addresses"> & { readonly address: string };
type Rest = Omit<Flow, "cookie">;

/**
 * Returns the flows: its gateway answers ARP requests, and packets to its address are delivered; with
 * services, answers to them go back through the host; with an alias, addresses are translated.
 */
export function portReachFlows({ addresses, ...rest }: PortReachSpec): Flow[] {
  const cookie = antispoofCookie(rest.ofport);
  const flows = addresses.flatMap((address) => {
    const one = { ...rest, address };
    return [
      gatewayFlow(one),
      deliveryFlow(one),
      ...serviceFlows(one),
      ...aliasFlows(one),
    ];
  });
  return flows.map((flow) => ({ cookie, ...flow }));
}

/** The request is turned into its answer: the asker becomes the target, the gateway the sender (RFC 826). */
function gatewayFlow({ ofport, mac, address, reach: { gateway, hostMac } }: One): Rest {
  return {
    priority: 120,
    match: {
      ...{ inPort: ofport, ethSrc: mac, untagged: true },
      arp: { spa: address, sha: mac, asksFor: gateway },
    },
    action: [
      { move: ["ethSrc", "ethDst"] },
      { set: "ethSrc", value: hostMac },
      { set: "arpOp", value: 2 },
      { move: ["arpSha", "arpTha"] },
      { set: "arpSha", value: hostMac },
      { move: ["arpSpa", "arpTpa"] },
      { set: "arpSpa", value: gateway },
      { output: "IN_PORT" },
    ],
  };
}

function deliveryFlow({ ofport, tag, mac, address, reach }: One): Rest {
  return {
    ...{ table: TABLES.deliver, priority: 100 },
    match: { reg0: tag, ipv4Dst: address },
    action: [
      { set: "ethSrc", value: reach.hostMac },
      { set: "ethDst", value: mac },
      { output: ofport },
    ],
  };
}

/** What the host sends with a pod's own address is the pod's packet to a service, after translation. */
function serviceFlows({ tag, address, reach: { hasServices, alias } }: One): Rest[] {
  const asked = {
    ...{ table: TABLES.fromHost, priority: 150 },
    match: { ipv4Src: alias?.address ?? address },
  };
  if (!hasServices) return [{ ...asked, action: "drop" }];
  const zone = serviceZone(tag);
  return [
    {
      ...asked,
      action: [
        { set: "reg0", value: tag },
        {
          track: {
            ...{ commit: true, zone, table: TABLES.ofAsker, mark: SERVICE_MARK },
            ...alias && { nat: { src: address } },
          },
        },
      ],
    },
    {
      ...{ table: TABLES.forward, priority: 105 },
      match: { reg0: tag, ipv4Dst: address },
      action: [{ track: { zone, table: TABLES.answers, ...alias && { nat: {} } } }],
    },
  ];
}

function aliasFlows({ tag, address, reach: { alias, hostMac } }: One): Rest[] {
  if (!alias) return [];
  const translate = (nat: { readonly src: string } | { readonly dst: string }, table: number) => ({
    track: { commit: true, zone: aliasZone(tag), table, nat },
  } as const);
  const network: Action = { set: "reg0", value: tag };
  return [
    {
      ...{ table: TABLES.fromHost, priority: 200 },
      match: { ipv4Dst: alias.address },
      action: [network, translate({ dst: address }, TABLES.unaliased)],
    },
    {
      ...{ table: TABLES.toHost, priority: 90 },
      match: { reg0: tag, ipv4Src: address },
      action: [translate({ src: alias.address }, TABLES.aliased)],
    },
    // To itself, through a service: a pod cannot be cut off from itself.
    {
      ...{ table: TABLES.fromHost, priority: 160 },
      match: { ipv4Src: alias.hairpin, ipv4Dst: address },
      action: [
        network,
        { set: "reg10", value: BY_ADDRESS },
        { resubmit: TABLES.forward },
      ],
    },
    {
      ...{ table: TABLES.entry, priority: 50 },
      match: { reg0: tag, ethDst: hostMac, ipv4Src: address, ipv4Dst: alias.hairpin },
      action: [{ resubmit: TABLES.intoHost }],
    },
  ];
}
