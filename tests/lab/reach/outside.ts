// The world outside of a cluster: a network behind its hosts' first links, with one machine in it.

import type { ClusterHost } from "../cluster/host.ts";
import { type Pod, podAt } from "../pod.ts";
import { run } from "../run.ts";

/** Link of a host that leads outside. */
export const OUTSIDE_LINK = "ext0";

/** The machine outside. */
export const OUTSIDE_ADDRESS = "198.51.100.9";

/** Returns the address of host number `n` (1 to 8) in the network outside. */
export function outsideAddress(n: number): string {
  return `198.51.100.${n}`;
}

/**
 * Makes the world outside of these hosts; returns its machine, with which all of it ends. A single host has a cable
 * to the machine, several have a bridge.
 */
export async function makeOutside(hosts: readonly ClusterHost[]): Promise<Pod> {
  const id = "outside";
  await run("ip", ["netns", "add", id]);
  const machine = podAt(id, "outside");
  try {
    const hasBridge = hosts.length > 1;
    await batch(id, ["link set lo up", ...hasBridge ? ["link add net type bridge"] : []]);
    for (const host of hosts) await plug(id, host, hasBridge);
    const link = hasBridge ? "net" : endOf(hosts[0]!);
    await batch(id, [`link set ${link} up`, `address add ${OUTSIDE_ADDRESS}/24 dev ${link}`]);
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

function endOf({ netns }: ClusterHost): string {
  return `to-${netns}`;
}

async function plug(id: string, host: ClusterHost, hasBridge: boolean): Promise<void> {
  const { netns } = host;
  const n = Number(netns.slice(1));
  const end = endOf(host);
  await batch(id, [
    `link add ${end} type veth peer name ${OUTSIDE_LINK} netns ${netns}`,
    ...hasBridge ? [`link set ${end} master net up`] : [],
  ]);
  await batch(netns, [
    `address add ${outsideAddress(n)}/24 dev ${OUTSIDE_LINK}`,
    `link set ${OUTSIDE_LINK} up`,
    `route add default via ${OUTSIDE_ADDRESS}`,
  ]);
}

async function batch(netns: string, lines: readonly string[]): Promise<void> {
  await run("ip", ["-n", netns, "-batch", "-"], { stdin: `${lines.join("\n")}\n` });
}
