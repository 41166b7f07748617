// The policy tables of a switch in memory: flows as text, a list of the changes, and faults that a test
// injects.

import type { FlushingTables } from "../../lib/ovs/policy_tables/megaflow_flush.ts";
import { Fault } from "../../lib/util/errors.ts";

/** Policy tables without Open vSwitch. */
export class MemoryPolicyTables implements FlushingTables {
  /** The installed flows; a test may change them as a restarted ovs-vswitchd does. */
  readonly flows = new Set<string>();
  /** Changes so far: `2 to 3` flows, `empty 100` for a conntrack zone. */
  readonly changes: string[] = [];
  /** While true, every call fails with a timeout. */
  isUnreachable = false;
  /** Whether the switch takes a meter. */
  hasMeters = true;
  /** Whether the switch refuses to empty zones. */
  keepsZones = false;
  /** How many meters there are. */
  meters = 0;

  read(): Promise<string[]> {
    return this.#answer([...this.flows]);
  }

  async change(have: readonly string[], desired: readonly string[]): Promise<void> {
    await this.#answer(undefined);
    if (have.length + desired.length > 0) this.changes.push(`${have.length} to ${desired.length}`);
    for (const flow of have) this.flows.delete(flow);
    for (const flow of desired) this.flows.add(flow);
  }

  emptyZone(zone: number): Promise<void> {
    if (this.keepsZones) return Promise.reject(new Fault("failed", "zone refused"));
    return this.#answer(void this.changes.push(`empty ${zone}`));
  }

  ensureMeter(): Promise<void> {
    if (!this.hasMeters) return Promise.reject(new Fault("failed", "meter refused"));
    this.meters = 1;
    return this.#answer(undefined);
  }

  removeMeter(): Promise<void> {
    return this.#answer(void (this.meters = 0));
  }

  openTrunks(): Promise<number[]> {
    return this.#answer([]);
  }

  drops(): Promise<ReadonlyMap<number, number>> {
    return this.#answer(new Map<number, number>());
  }

  trace(): Promise<string> {
    return this.#answer("");
  }

  revalidated(): Promise<void> {
    return this.#answer(undefined);
  }

  flush(): Promise<void> {
    return this.#answer(undefined);
  }

  removeFlushFlow(): Promise<void> {
    return this.#answer(undefined);
  }

  #answer<T>(value: T): Promise<T> {
    return this.isUnreachable
      ? Promise.reject(new Fault("timeout", "no answer"))
      : Promise.resolve(value);
  }
}
