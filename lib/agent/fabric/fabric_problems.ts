// What keeps pods from other hosts: the words for it, and how bad it is.

import type { HostRecord, NetworkRecord } from "../../intent/records.ts";
import { VtepFault } from "../../ovs/tunnel/vtep.ts";
import { Fault } from "../../util/errors.ts";
import type { FabricProblem } from "../api/agent_health.ts";

/** This host is not one of the intent's, so no other host has a tunnel to it. */
export class UnlistedHost extends Fault {
  constructor(host: string) {
    super("not_found", `host ${host} is not in the intent`, {
      why: "pods of VXLAN networks here do not reach other hosts",
      fix: 'add it to "Hosts" with its VtepIp, or start the agent with the right --host-label',
    });
  }
}

/** Other hosts do not answer; what is wrong may be there. */
export class UnreachableVteps extends Fault {
  constructor(vteps: readonly string[]) {
    super("unavailable", `tunnel address ${vteps.slice(0, 3).join(", ")} does not answer`, {
      why: `${vteps.length} of the other hosts cannot be reached`,
      fix: "see whether they are up, and the way to them",
    });
  }
}

/** Reports whether a host is missing from an intent by which its pods could reach others through tunnels. */
export function isUnlisted(
  host: string,
  { hosts, networks }: {
    readonly hosts: readonly HostRecord[];
    readonly networks: readonly NetworkRecord[];
  },
): boolean {
  return hosts.every(({ name }) => name !== host) &&
    hosts.some(({ vtepIp }) => vtepIp !== undefined) &&
    networks.some(({ encap }) => encap === "vxlan");
}

/** Reports whether pods reach other hosts all the same, or some of them. */
export function isWarning(fault: Fault): boolean {
  return fault instanceof UnlistedHost || (fault instanceof VtepFault && fault.isWarning);
}

/** Returns a fault as the agent's health has it. */
export function problemOf(part: FabricProblem["part"], fault: Fault): FabricProblem {
  const { what, why, fix = "see the agent's log" } = fault;
  const { commands, effect } = fault instanceof VtepFault ? fault : { commands: [], effect: "" };
  // Another host that is down for a while does not make this one fail.
  const isMinor = isWarning(fault) || fault instanceof UnreachableVteps;
  return {
    part,
    state: isMinor ? "warning" : "failed",
    what: why ? `${what}: ${why}` : what,
    fix: [
      commands.length > 0 ? `${fix}: ${commands.join(" && ")}` : fix,
      ...effect === "" ? [] : [effect],
    ].join("; "),
  };
}

export function carriesDefaultRoute(device: string): Fault {
  return new Fault("conflict", `uplink ${device} refused`, {
    why: "it carries the default route",
    fix: "give another --uplink or add --uplink-force",
  });
}

export function sameAddress(vtep: string): Fault {
  return new Fault("conflict", `tunnel address ${vtep} is also another host's`, {
    why: "its pods cannot be reached from here",
    fix: "give each host a VtepIp of its own",
  });
}
