// One agent per host label: each agent of a shared store writes a heartbeat under its label, with the id
// of its state folder. No clocks are compared: an agent is alive if its heartbeat changes while another
// agent watches it.
//
// The heartbeat has a key of its own beside `hosts/<host>`: plans of intents check the revision of that
// record, and a heartbeat in it would make each of them stale.

import { silentMs } from "../../intent/heartbeats.ts";
import { HIGHEST_READABLE, whyUnreadable } from "../../intent/readable.ts";
import { keys, type PresenceRecord, SCHEMA } from "../../intent/records.ts";
import { INDEX_VERSION } from "../../intent/store_index.ts";
import { Fault, isUnreachable } from "../../util/errors.ts";
import { countHosts } from "./spread_hosts.ts";
import type { StoreCache } from "./store_cache.ts";

/** Identity of this agent. */
export interface Self {
  readonly host: string;
  /** Id of the state folder. */
  readonly instance: string;
  readonly version: string;
}

/** Options of Presence. */
export interface PresenceOptions {
  readonly self: Self;
  /** Milliseconds between two heartbeats, unless the hosts are so many that all of them beat less often. */
  readonly beatMs: number;
  /** Takes over the label of a host that is gone for good. */
  readonly takeOver: boolean;
  /** Waits; ends early when the agent stops. */
  readonly pause: (ms: number) => Promise<void>;
  /** MTU of this host's tunnel link, if known. */
  readonly mtu: () => number | undefined;
  /** ISO 8601, UTC. */
  readonly clock: () => string;
}

// All heartbeats together are a hundred a second at most: each is a write for etcd, and a message to all other hosts.
const MS_PER_HOST = 10;

/** The heartbeat of this host in a shared store. */
export class Presence {
  readonly #cache: StoreCache;
  readonly #options: PresenceOptions;
  #beat = 0;
  /** Until the next heartbeat, as the last one says. */
  #everyMs: number;

  constructor(cache: StoreCache, options: PresenceOptions) {
    this.#cache = cache;
    this.#options = options;
    this.#everyMs = options.beatMs;
  }

  /**
   * Takes the label. Faults: conflict, if another agent has it, or had it and neither `takeOver` is set
   * nor that host was removed.
   */
  async take(): Promise<void> {
    const { self, beatMs, takeOver, pause } = this.#options;
    const before = await this.#read();
    if (before && before.instance !== self.instance) {
      await pause(silentMs({ everyMs: Math.max(beatMs, before.everyMs ?? 0) }));
      const now = await this.#read();
      if (now && now.beat !== before.beat) throw inUseFault(self.host, now);
      if (now && !takeOver && !now.lost) throw otherInstanceFault(self.host);
    }
    this.#beat = before?.beat ?? 0;
    await this.beat();
  }

  /** Writes a heartbeat. Faults: conflict, if another agent has taken the label meanwhile. */
  async beat(): Promise<void> {
    const { self, mtu, beatMs, clock } = this.#options;
    const key = keys.presence(self.host);
    const bytes = mtu();
    let [written, everyMs] = [this.#beat, beatMs];
    await this.#cache.commit((documents) => {
      const known = documents.get(key);
      const why = known && whyUnreadable(key, known.value);
      if (why !== undefined) throw unreadableFault(self.host, why);
      const record = known?.value as PresenceRecord | undefined;
      const isTaken = this.#beat > 0 && record && record.instance !== self.instance &&
        record.beat > this.#beat;
      if (isTaken) throw inUseFault(self.host, record);
      everyMs = Math.max(beatMs, countHosts(documents) * MS_PER_HOST);
      const value: PresenceRecord = {
        schema: SCHEMA,
        ...self,
        beat: Math.max(record?.beat ?? 0, this.#beat) + 1,
        reads: HIGHEST_READABLE,
        indexes: INDEX_VERSION,
        at: clock(),
        everyMs,
        ...(bytes === undefined ? {} : { mtu: bytes }),
      };
      written = value.beat;
      return {
        checks: [{ key, revision: known?.revision ?? 0 }],
        writes: [{ key, value: { ...value } }],
      };
    });
    this.#beat = written;
    this.#everyMs = everyMs;
  }

  /**
   * Writes heartbeats until `signal` aborts, and calls `then` after each. Faults: as beat(), but it goes
   * on while the store is unreachable.
   */
  async keep(signal: AbortSignal, then: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await this.#options.pause(this.#everyMs);
      if (signal.aborted || this.#cache.unreachable) continue;
      await this.beat().then(then).catch((error) => {
        if (!isUnreachable(error)) throw error;
      });
    }
  }

  async #read(): Promise<PresenceRecord | undefined> {
    const key = keys.presence(this.#options.self.host);
    await this.#cache.refresh(key);
    const value = this.#cache.documents.get(key)?.value;
    const why = value === undefined ? undefined : whyUnreadable(key, value);
    if (why !== undefined) throw unreadableFault(this.#options.self.host, why);
    return value as PresenceRecord | undefined;
  }
}

function unreadableFault(host: string, why: string): Fault {
  return new Fault("conflict", `host label ${host} is not free`, {
    why: `its record cannot be read: ${why}`,
    fix: "use a newer k8contivnet, or another --host-label",
  });
}

function inUseFault(host: string, { instance }: PresenceRecord): Fault {
  return new Fault("conflict", `host label ${host} is in use`, {
    why: `the agent with state folder id ${instance} uses it`,
    fix: "start this agent with another --host-label",
  });
}

function otherInstanceFault(host: string): Fault {
  return new Fault("conflict", `host label ${host} belongs to another state folder`, {
    why: "its agent sends no heartbeats now",
    fix: "start that agent, use another --host-label, or add --take-over if that host is gone",
  });
}

/** Returns the id of the state folder, created at its first use. Faults: unavailable. */
export async function instanceOf(stateDir: string): Promise<string> {
  const path = `${stateDir}/instance`;
  const existing = (await Deno.readTextFile(path).catch(() => "")).trim();
  if (/^[0-9a-f]{16}$/.test(existing)) return existing;
  const created = crypto.getRandomValues(new Uint8Array(8)).toHex();
  try {
    await Deno.writeTextFile(`${path}.new`, `${created}\n`, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  } catch (cause) {
    throw new Fault("unavailable", `state folder ${stateDir} cannot be written`, {
      fix: "choose another --state-dir",
      cause,
    });
  }
  return created;
}
