// Flows of a restarted ovs-vswitchd, which has none and drops everything. Rows have all that they depend on, so they
// are back before it has listed its ports and the agent has reconciled; syncPorts() then finds little to do.

import { antispoofCookie, EXACT_COOKIE } from "../openflow/cookies.ts";
import type { OpenFlowConnection } from "../openflow/openflow_connection.ts";
import { baseFlows } from "./delivery_flows.ts";
import { type PortFlowOptions, portFlows } from "./port_flows.ts";
import type { ProtectedPort } from "./protected_ports.ts";

/** Sends the flows of `ports` for the numbers that they had. */
export function restoreFlows(
  connection: Pick<OpenFlowConnection, "addFlows">,
  ports: readonly ProtectedPort[],
  options: PortFlowOptions,
): void {
  connection.addFlows(baseFlows(options));
  for (const port of ports) connection.addFlows(portFlows(port.ofport, port, options));
}

/** Moves the flows of ports that have other numbers now: a port of another program had one first. */
export function renumberFlows(
  connection: Pick<OpenFlowConnection, "addFlows" | "deleteFlows" | "ports">,
  ports: readonly ProtectedPort[],
  options: PortFlowOptions,
): void {
  const moved = ports.flatMap((port) => {
    const now = connection.ports.get(port.name) ?? port.ofport;
    return now === port.ofport ? [] : [{ port, now }];
  });
  // Two ports may have swapped numbers: all old flows are deleted before the first new one is added.
  for (const { port } of moved) {
    connection.deleteFlows(antispoofCookie(port.ofport), EXACT_COOKIE);
  }
  for (const { port, now } of moved) connection.addFlows(portFlows(now, port, options));
}
