// Dynamic endpoints: made by set-ups for pods without one of their own. No file names them, so none adds, changes
// or deletes them: they are part of every plan. They are deleted with their network, which needs --force
// while their pods live. One that is only held for a pod's return gives way to what a file states.

import { poolHas, poolSize } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { poolOf } from "../field_rules.ts";
import type { EndpointRecord } from "../records.ts";
import { nameOf, networkKeyOf, type Stored } from "./stored.ts";
import type { Desired, DesiredEndpoint } from "./desired_types.ts";

/** Adds the dynamic endpoints to `desired`, except held ones that conflict with it. */
export function keepDynamicEndpoints(
  desired: Desired,
  stored: Stored,
  toDesired: (record: EndpointRecord) => DesiredEndpoint,
): void {
  const held: [string, EndpointRecord][] = [];
  for (const [key, record] of stored.endpoints) {
    if (!record.dynamic) continue;
    desired.endpoints.set(key, toDesired(record));
    if (record.dynamic.heldSince !== undefined) held.push([key, record]);
  }
  if (held.length === 0) return;
  const heldByNetwork = Map.groupBy(held, ([, record]) => networkKeyOf(record));
  const desiredByNetwork = Map.groupBy(
    desired.endpoints.values().filter(({ dynamic }) => dynamic?.heldSince === undefined),
    networkKeyOf,
  );
  for (const [network, ones] of heldByNetwork) {
    const others = desiredByNetwork.get(network) ?? [];
    for (const key of conflictingHeld(desired, stored, { network, held: ones, others })) {
      desired.endpoints.delete(key);
    }
  }
}

interface NetworkEndpoints {
  /** Key of the network that all are in. */
  readonly network: string;
  readonly held: readonly (readonly [string, EndpointRecord])[];
  readonly others: readonly DesiredEndpoint[];
}

function conflictingHeld(
  desired: Desired,
  stored: Stored,
  { network, held, others }: NetworkEndpoints,
): string[] {
  const [stated, known] = [desired.networks.get(network), stored.networks.get(network)];
  if (!stated || !known) return held.map(([key]) => key);
  const subnet = parseSubnet(stated.subnet ?? known.subnet);
  const pool = poolOf((key) => `${key} of ${nameOf(network)}`, nameOf(network), stated, subnet);
  const fixed = new Set(others.map(({ address }) => address));
  const staying = held.filter(([, { address }]) =>
    !fixed.has(address) && poolHas(pool, parseAddress(address))
  );
  // Desired endpoints come first; of the held ones, the most recent stay.
  const room = Math.max(0, poolSize(pool) - others.length);
  const since = ([, { dynamic }]: readonly [string, EndpointRecord]) => dynamic?.heldSince ?? 0;
  const latest = [...staying].sort((a, b) => since(b) - since(a)).slice(0, room);
  const kept = new Set(latest.map(([key]) => key));
  return held.map(([key]) => key).filter((key) => !kept.has(key));
}
