// One host, one label: each agent of a shared store says over and over that it is there, under the
// id of its state folder. No two clocks are compared: fresh is what changes while one looks.
//
// This has a key of its own beside `hosts/<host>`: the intent's plans check that record's revision,
// and a heartbeat in it would make each of them stale.

import { READS, whyUnreadable } from "../../intent/readable.ts";
import { keys, type PresenceRecord, SCHEMA } from "../../intent/records.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { StoreCache } from "./store_cache.ts";

/** Who we are, and what other hosts need to know of this one. */
export interface Self {
  readonly host: string;
  /** Id of the state folder. */
  readonly instance: string;
  readonly version: string;
}

/** How a label is taken. */
export interface PresenceOptions {
  readonly self: Self;
  /** Milliseconds between two beats. */
  readonly beatMs: number;
  /** Takes the label of a host that is gone for good. */
  readonly takeOver: boolean;
  /** Waits; ends early when the agent stops. */
  readonly pause: (ms: number) => Promise<void>;
  /** Bytes that this host's tunnel link carries, where it is known. */
  readonly mtu: () => number | undefined;
  /** ISO 8601, UTC. */
  readonly clock: () => string;
}

/** How long one looks at a label before its agent counts as silent, in intervals of its beat. */
export const SILENT_BEATS = 2.5;

/** This host's place among the others of a shared store. */
export class Presence {
  readonly #mirror: StoreCache;
  readonly #options: PresenceOptions;
  #beat = 0;

  constructor(mirror: StoreCache, options: PresenceOptions) {
    this.#mirror = mirror;
    this.#options = options;
  }

  /**
   * Takes the label. Faults: conflict, when another agent has it or, unless it is taken over or that
   * host was given up, had it.
   */
  async take(): Promise<void> {
    const { self, beatMs, takeOver, pause } = this.#options;
    const before = await this.#read();
    if (before && before.instance !== self.instance) {
      await pause(beatMs * SILENT_BEATS);
      const now = await this.#read();
      if (now && now.beat !== before.beat) throw inUse(self.host, now);
      if (now && !takeOver && !now.lost) throw wasUsed(self.host);
    }
    this.#beat = before?.beat ?? 0;
    await this.beat();
  }

  /** Says that we are here. Faults: conflict, when another agent has taken the label meanwhile. */
  async beat(): Promise<void> {
    const { self, mtu, beatMs, clock } = this.#options;
    const key = keys.presence(self.host);
    const bytes = mtu();
    let said = this.#beat;
    await this.#mirror.commit((documents) => {
      const known = documents.get(key);
      const why = known && whyUnreadable(key, known.value);
      if (why !== undefined) throw strange(self.host, why);
      const record = known?.value as PresenceRecord | undefined;
      const isTaken = this.#beat > 0 && record && record.instance !== self.instance &&
        record.beat > this.#beat;
      if (isTaken) throw inUse(self.host, record);
      const value: PresenceRecord = {
        schema: SCHEMA,
        ...self,
        beat: Math.max(record?.beat ?? 0, this.#beat) + 1,
        reads: READS,
        at: clock(),
        everyMs: beatMs,
        ...(bytes === undefined ? {} : { mtu: bytes }),
      };
      said = value.beat;
      return {
        checks: [{ key, revision: known?.revision ?? 0 }],
        writes: [{ key, value: { ...value } }],
      };
    });
    this.#beat = said;
  }

  /**
   * Says so over and over until `signal` aborts; `then` follows each time. Faults: as beat(), but a
   * store that is away is waited for.
   */
  async keep(signal: AbortSignal, then: () => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await this.#options.pause(this.#options.beatMs);
      if (signal.aborted || this.#mirror.unreachable) continue;
      await this.beat().then(then).catch((error) => {
        if (!["unavailable", "timeout"].includes(faultFrom(error).code)) throw error;
      });
    }
  }

  async #read(): Promise<PresenceRecord | undefined> {
    const key = keys.presence(this.#options.self.host);
    await this.#mirror.refresh(key);
    const value = this.#mirror.documents.get(key)?.value;
    const why = value === undefined ? undefined : whyUnreadable(key, value);
    if (why !== undefined) throw strange(this.#options.self.host, why);
    return value as PresenceRecord | undefined;
  }
}

function strange(host: string, why: string): Fault {
  return new Fault("conflict", `host label ${host} is not free`, {
    why: `what stands under it cannot be read: ${why}`,
    fix: "use a newer k8contivnet, or give another --host-label",
  });
}

function inUse(host: string, { instance }: PresenceRecord): Fault {
  return new Fault("conflict", `host label ${host} is in use`, {
    why: `the agent with state folder id ${instance} answers to it`,
    fix: "give this agent another --host-label",
  });
}

function wasUsed(host: string): Fault {
  return new Fault("conflict", `host label ${host} belongs to another state folder`, {
    why: "its agent is silent now",
    fix: "start that one, give another --host-label, or add --take-over if that host is gone",
  });
}

/** Returns the id of the state folder, made at its first use. Faults: unavailable. */
export async function instanceOf(stateDir: string): Promise<string> {
  const path = `${stateDir}/instance`;
  const known = (await Deno.readTextFile(path).catch(() => "")).trim();
  if (/^[0-9a-f]{16}$/.test(known)) return known;
  const made = crypto.getRandomValues(new Uint8Array(8)).toHex();
  try {
    await Deno.writeTextFile(`${path}.new`, `${made}\n`, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  } catch (cause) {
    throw new Fault("unavailable", `state folder ${stateDir} cannot be written`, {
      fix: "give another --state-dir",
      cause,
    });
  }
  return made;
}
