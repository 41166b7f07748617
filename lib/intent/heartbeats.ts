// How long a running agent may be silent, by the record of its heartbeat. Pure.

/** Part of a PresenceRecord. */
interface Heartbeat {
  readonly at?: string | undefined;
  readonly everyMs?: number | undefined;
}

const SILENT_BEATS = 2.5;

/** Interval of an agent that does not record it, as older versions: longer than any in use. */
const BEAT_MS = 60_000;

/** By how much the clocks of hosts may differ; etcd's heartbeats take a moment to arrive, too. */
export const SKEW_MS = 5_000;

/** Returns for how many milliseconds the heartbeat of a running agent may stay as it is. */
export function silentMs({ everyMs = BEAT_MS }: Pick<Heartbeat, "everyMs">): number {
  return everyMs * SILENT_BEATS;
}

/**
 * Reports whether the last heartbeat is older than that of a running agent, by this host's clock: for messages to people,
 * as clocks differ.
 */
export function isSilent(last: Heartbeat, nowMs: number): boolean {
  return last.at !== undefined && nowMs - Date.parse(last.at) > silentMs(last) + SKEW_MS;
}
