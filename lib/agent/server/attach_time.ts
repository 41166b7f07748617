// How long this host takes to attach a pod, as it was measured here. Pure.

import type { Lasting } from "../../intent/plan_impact.ts";
import type { EventItem } from "../api/listed_items.ts";

const LAST = 100;

/** Returns the median of the last attachments among the events; undefined if none was measured. */
export function attachTime(events: readonly EventItem[], host: string): Lasting | undefined {
  const times = events.flatMap(({ kind, ms }) => kind === "attach" && ms !== undefined ? [ms] : [])
    .slice(-LAST).sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  if (median === undefined) return undefined;
  const count = times.length === 1 ? "one set-up" : `median of ${times.length} set-ups`;
  return { seconds: Math.ceil(median / 10) / 100, from: `${count} on ${host}` };
}
