// Which agents of a shared store are alive, by their heartbeats as this agent observes them, and whether all of them
// write its indexes. No clocks of hosts are compared. Pure.

import { silentMs } from "../../intent/heartbeats.ts";
import { INDEX_VERSION } from "../../intent/store_index.ts";
import type { PresenceRecord } from "../../intent/records.ts";

interface Observed {
  readonly beat: number;
  readonly instance: string;
  /** When it was seen first with that heartbeat. */
  readonly sinceMs: number;
  /** Whether its heartbeat has changed since it was seen first of all. */
  readonly isAlive: boolean;
}

/** What is known of the agents at a moment. */
export interface AgentsNow {
  /** Hosts whose agents are alive and do not write the indexes. */
  readonly older: readonly string[];
  /** Hosts whose agents are alive. */
  readonly alive: readonly string[];
  /** Whether no agent that is alive can have been taken for a silent one. */
  readonly isSettled: boolean;
}

/** Follows the agents' heartbeats. */
export class AgentVersions {
  readonly #observed = new Map<string, Observed>();
  #startMs: number | undefined;
  #isFirst = true;

  /** Takes note of the presence records; `nowMs` is monotonic. */
  follow(presences: readonly PresenceRecord[], nowMs: number): AgentsNow {
    this.#startMs ??= nowMs;
    const present = presences.filter(({ lost }) => !lost);
    for (const one of present) this.#note(one, nowMs);
    this.#isFirst = false;
    const alive = present.filter((one) => this.#isAlive(one, nowMs));
    const longestMs = Math.max(0, ...present.filter(isOlder).map(silentMs));
    return {
      older: alive.filter(isOlder).map(({ host }) => host),
      alive: alive.map(({ host }) => host),
      isSettled: nowMs - this.#startMs >= longestMs,
    };
  }

  #note({ host, beat, instance }: PresenceRecord, nowMs: number): void {
    const known = this.#observed.get(host);
    if (known?.beat === beat && known.instance === instance) return;
    // A record that has appeared meanwhile was written meanwhile.
    const isAlive = known !== undefined || !this.#isFirst;
    this.#observed.set(host, { beat, instance, sinceMs: nowMs, isAlive });
  }

  #isAlive(one: PresenceRecord, nowMs: number): boolean {
    const known = this.#observed.get(one.host);
    return known !== undefined && known.isAlive && nowMs - known.sinceMs < silentMs(one);
  }
}

function isOlder({ indexes = 0 }: PresenceRecord): boolean {
  return indexes < INDEX_VERSION;
}
