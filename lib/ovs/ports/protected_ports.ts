// The ports whose rows have all that their anti-spoofing flows depend on. Pure.

import { baseFlows } from "./delivery_flows.ts";
import type { RowCache } from "../ovsdb/port_rows.ts";
import { type PortFlowOptions, portFlows } from "./port_flows.ts";
import type { PortReach } from "../switch.ts";

/** A port whose row has all that its anti-spoofing flows depend on. */
export interface ProtectedPort {
  readonly name: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly tag: number | undefined;
  readonly reach?: PortReach | undefined;
  /** OpenFlow number that it had, or that was requested. */
  readonly ofport: number;
}

/** Returns the ports of `cache` that have anti-spoofing flows. */
export function protectedPorts(
  cache: Pick<RowCache, "ports" | "port">,
): ProtectedPort[] {
  return cache.ports().flatMap(({ name, mac, addresses, tag, reach }) => {
    const { row, requested } = cache.port(name) ?? {};
    const ofport = requested ?? row?.ofport;
    if (!mac || !addresses || ofport === undefined) return [];
    return [{ name, mac, addresses, tag, ofport, ...reach && { reach } }];
  });
}

/** Returns how many flows the bridge has for these ports, with its base flows. */
export function expectedFlows(
  ports: readonly ProtectedPort[],
  options: Pick<PortFlowOptions, "hasDelivery"> = {},
): number {
  const counts = ports.map((port) => portFlows(port.ofport, port, options).length);
  return counts.reduce((sum, count) => sum + count, baseFlows(options).length);
}
