// Endpoints that set-ups made for pods without one of their own. No file names them, so none adds,
// changes or deletes them: they stand in every wish. They go with their network, which asks for force
// while their pods live. One that is only held for a pod's return gives way to what a file wants.

import { poolHas, poolSize } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { poolOf } from "../field_rules.ts";
import type { EndpointRecord } from "../records.ts";
import { nameOf, networkKeyOf, type Stored } from "./stored.ts";
import type { Desired, DesiredEndpoint } from "./desired_types.ts";

/** Puts dynamic endpoints into `desired`, but those that are only held and stand in its way. */
export function keepDynamicEndpoints(
  desired: Desired,
  stored: Stored,
  statementOf: (record: EndpointRecord) => DesiredEndpoint,
): void {
  const held: [string, EndpointRecord][] = [];
  for (const [key, record] of stored.endpoints) {
    if (!record.dynamic) continue;
    desired.endpoints.set(key, statementOf(record));
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
    for (const key of inTheWay(desired, stored, { network, held: ones, others })) {
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

function inTheWay(
  desired: Desired,
  stored: Stored,
  { network, held, others }: NetworkEndpoints,
): string[] {
  const [said, known] = [desired.networks.get(network), stored.networks.get(network)];
  if (!said || !known) return held.map(([key]) => key);
  const subnet = parseSubnet(said.subnet ?? known.subnet);
  const pool = poolOf((key) => `${key} of ${nameOf(network)}`, nameOf(network), said, subnet);
  const fixed = new Set(others.map(({ address }) => address));
  const staying = held.filter(([, { address }]) =>
    !fixed.has(address) && poolHas(pool, parseAddress(address))
  );
  // The pool goes to what is desired; of what is held, the latest stay.
  const room = Math.max(0, poolSize(pool) - others.length);
  const since = ([, { dynamic }]: readonly [string, EndpointRecord]) => dynamic?.heldSince ?? 0;
  const latest = [...staying].sort((a, b) => since(b) - since(a)).slice(0, room);
  const kept = new Set(latest.map(([key]) => key));
  return held.map(([key]) => key).filter((key) => !kept.has(key));
}
