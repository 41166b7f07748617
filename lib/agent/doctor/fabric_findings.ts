// What keeps pods from other hosts, as the agent knows it; without an agent, as this host and the store's records show.

import { isUnlisted, problemOf, UnlistedHost } from "../fabric/fabric_problems.ts";
import type { CheckItem, FabricProblem } from "../api/agent_health.ts";
import type { FabricRecords } from "./fabric_records.ts";
import { type CheckContext, findingsOf, isAlive } from "./findings.ts";

const findings = findingsOf("network");

/** Ids of the findings about each part that the network's checks make by themselves. */
const IDS: Readonly<Record<FabricProblem["part"], string>> = {
  ...{ uplink: "uplink", overlay: "vtep", arp_ignore: "vtep" },
};

/** Returns what is wrong with uplink and tunnels; `vtep` is this host's tunnel address. */
export async function fabricProblems(
  context: CheckContext,
  vtep: string | undefined,
  records: FabricRecords,
): Promise<readonly FabricProblem[]> {
  const health = await context.health;
  if (isAlive(health)) return health.fabric ?? [];
  // After an agent that hangs, no time is left.
  return health.code === "timeout" ? [] : await problemsHere(context, vtep, records);
}

async function problemsHere(
  { machine, settings }: CheckContext,
  vtep: string | undefined,
  records: FabricRecords,
): Promise<FabricProblem[]> {
  if (records.networks.every(({ encap }) => encap !== "vxlan")) return [];
  const fault = vtep === undefined
    ? undefined
    : await machine.vtepFault(settings, vtep).catch(() => undefined);
  const found = fault ??
    (isUnlisted(settings.host, records) ? new UnlistedHost(settings.host) : undefined);
  return found ? [problemOf("overlay", found)] : [];
}

/** Adds problems to what the checks found by themselves: in place of what is ok, and behind no failure of the same. */
export function withProblems(
  items: readonly CheckItem[],
  problems: readonly FabricProblem[],
): CheckItem[] {
  const hasFailed = (id: string) => items.some((one) => one.id === id && one.state !== "ok");
  const added = problems.filter(({ part }) => !hasFailed(IDS[part]));
  const replaced = new Set(added.map(({ part }) => IDS[part]));
  return [
    ...added.map(({ part, state, what, fix }) => findings[state](part, what, fix)),
    ...items.filter(({ id }) => !replaced.has(id)),
  ];
}
