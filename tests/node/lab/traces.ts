// What a node has of its sandboxes, by other eyes than the agent's where there are any.

import { assertEquals } from "@std/assert";
import type { EndpointItem } from "../../../lib/agent/server/items.ts";
import { assertAudit, poolOf } from "../../lab/default_network.ts";
import { parkedPorts } from "../../lab/host.ts";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import type { LabNode } from "./lab_node.ts";

/** All that a sandbox may leave, each as a sorted list. */
export interface Traces {
  /** Network namespaces that the runtime made. */
  readonly namespaces: readonly string[];
  /** Links of the host. */
  readonly links: readonly string[];
  /** Ports of all bridges. */
  readonly ports: readonly string[];
  /** `NETWORK ADDRESS` of each endpoint. */
  readonly endpoints: readonly string[];
  /** Sandboxes that the agent has attached. */
  readonly attachments: readonly string[];
}

/** Looks for all of it. Ports that wait for a pod are left out: how many there are is the agent's matter. */
export async function tracesOf({ host, machine }: LabNode): Promise<Traces> {
  const before = await parkedPorts(host);
  const [namespaces, links, ports, endpoints, attachments] = await Promise.all([
    machine.sandboxes(),
    run("ip", ["-n", host.netns, "-j", "link"]),
    host.ovs.vsctl("--columns=name", "--format=csv", "--no-headings", "list", "Port"),
    host.agent.ask<EndpointItem[]>("endpoints"),
    host.agent.attachments(),
  ]);
  // Some may have been added or given to a pod meanwhile.
  const parked = [...before, ...await parkedPorts(host)];
  const names = (JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname);
  return {
    namespaces,
    links: names.filter((name) => !parked.includes(name)).sort(),
    ports: ports.split("\n").filter((name) => !parked.includes(name)).sort(),
    endpoints: endpoints.map(({ network, address }) => `${network} ${address}`).sort(),
    attachments: attachments.map(({ sandbox }) => sandbox).sort(),
  };
}

/** Waits until a node has what it had before; checks that the records agree with each other. */
export async function assertNothingLeft(
  node: LabNode,
  before: Traces,
  { limitMs = 20_000 }: { readonly limitMs?: number } = {},
): Promise<void> {
  let last: Traces | undefined;
  const isAsBefore = async () => {
    last = await tracesOf(node);
    return JSON.stringify(last) === JSON.stringify(before);
  };
  await waitFor(`${node.name} to be as before`, isAsBefore, { limitMs }).catch(() => {});
  assertEquals(last, before);
  await assertAudit(node.host.agent);
}

/** Returns how many addresses of the default network are used. */
export async function usedAddresses({ host }: LabNode): Promise<number> {
  return (await poolOf(host.agent)).used;
}
