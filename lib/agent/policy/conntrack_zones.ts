// Which conntrack zones must be flushed. The zone of a network has the number of its access tag, and a tag
// goes to another network when the first one is deleted: tracked connections of that one would make packets
// in the new one look like replies to connections that it never had. The cookie of the tag's flow in the
// entry table says to which network a zone belongs; so the switch itself remembers it. Pure.

import { tagOfNetworkFlow } from "../../policy/flows/pipeline.ts";
import { tagsIn } from "./fail_closed.ts";

/** Zones that go to another network, and the flows that lead into them for the previous network. */
export interface ZoneHandover {
  readonly zones: readonly number[];
  /** Removed first: nothing must be tracked between the flush and the new flows. */
  readonly entryFlows: readonly string[];
}

/**
 * Returns what must be done before the flows `present` become `desired`; nothing if all zones keep their networks.
 * `former` are flows that a switch has lost: its connection tracker may have survived.
 */
export function planZoneHandover(
  present: ReadonlySet<string>,
  desired: readonly string[],
  former: ReadonlySet<string> = new Set(),
): ZoneHandover {
  const zones = desired.flatMap((flow) =>
    present.has(flow) || former.has(flow) ? [] : tagOfNetworkFlow(flow) ?? []
  );
  if (zones.length === 0) return { zones, entryFlows: [] };
  const fresh = new Set(zones);
  const entryFlows = [...present].filter((flow) =>
    flow.includes(" table=10,") && [...tagsIn([flow])].some((tag) => fresh.has(tag))
  );
  return { zones, entryFlows };
}

/** Returns the flows that say to which network a zone belongs. */
export function zoneOwners(flows: readonly string[]): Set<string> {
  return new Set(flows.filter((flow) => tagOfNetworkFlow(flow) !== undefined));
}
