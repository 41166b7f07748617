// The flows of the policy tables as the switch has them, and the way from one set to another: conntrack
// zones that change owner are emptied first, and if the switch rejects a bundle, the endpoints it concerns
// are isolated.

import { failClosedFlows, tagsIn } from "./fail_closed.ts";
import type { PolicyDeps } from "./policy_deps.ts";
import type { PolicyHandover } from "./policy_handover.ts";

/** The installed flows of the policy tables, one text each. */
export class InstalledFlows {
  readonly #deps: Pick<PolicyDeps, "tables" | "vlans">;
  readonly #handover: PolicyHandover;
  /** Flows that the switch has; undefined where only the switch knows. */
  #have: ReadonlySet<string> | undefined;
  /** Flows that say whose the conntrack zones are, as they were installed last. */
  #owners: ReadonlySet<string> = new Set();
  #isolated: ReadonlySet<number> = new Set();

  constructor(deps: Pick<PolicyDeps, "tables" | "vlans">, handover: PolicyHandover) {
    this.#deps = deps;
    this.#handover = handover;
  }

  /** How many flows there are; undefined where only the switch knows. */
  get size(): number | undefined {
    return this.#have?.size;
  }

  /** Tags of the networks that are isolated because their flows could not be installed. */
  get isolated(): ReadonlySet<number> {
    return this.#isolated;
  }

  /** Makes the next `read()` ask the switch. */
  invalidate(): void {
    this.#have = undefined;
  }

  /** Returns the flows. Faults: those of the switch, where it has to be asked. */
  async read(): Promise<ReadonlySet<string>> {
    return this.#have ?? this.#handover.take(await this.#deps.tables.read());
  }

  /** Notes that these are installed. */
  note(flows: Iterable<string>): void {
    this.#have = new Set(flows);
  }

  /** Notes that no network is isolated any more. */
  clearIsolated(): void {
    this.#isolated = new Set();
  }

  /**
   * Turns `have` into `desired`. Faults: those of the switch; then the endpoints that the change concerns
   * are isolated.
   */
  async change(have: ReadonlySet<string>, desired: readonly string[]): Promise<void> {
    try {
      await this.#deps.tables.change([...await this.#emptyZones(have, desired)], desired);
    } catch (error) {
      const kept = new Set(desired);
      const added = desired.filter((flow) => !have.has(flow));
      const removed = [...have].filter((flow) => !kept.has(flow));
      const concerned = tagsIn([...added, ...removed]);
      // Flows that are the same for all networks concern all of them.
      const tags = concerned.size > 0 ? concerned : tagsIn(desired);
      await this.#isolate({ have: [...have], desired, tags });
      throw error;
    }
  }

  /** Empties the zones that change owner, whose flows go first; returns the flows that are left. */
  async #emptyZones(
    have: ReadonlySet<string>,
    desired: readonly string[],
  ): Promise<ReadonlySet<string>> {
    if (desired.length === 0) {
      this.#owners = new Set();
      return have;
    }
    const { tables } = this.#deps;
    const { planZoneHandover, zoneOwners } = await import("./conntrack_zones.ts");
    const { zones, entryFlows: doors } = planZoneHandover(have, desired, this.#owners);
    this.#owners = new Set();
    if (doors.length > 0) await tables.change(doors, []);
    for (const zone of zones) await tables.emptyZone(zone);
    this.#owners = zoneOwners(desired);
    const removed = new Set(doors);
    return doors.length === 0 ? have : new Set([...have].filter((flow) => !removed.has(flow)));
  }

  /** Isolates the endpoints that the rejected flows concern; at worst their networks, without a flow. */
  async #isolate(
    { have, desired, tags }: {
      readonly have: readonly string[];
      readonly desired: readonly string[];
      readonly tags: ReadonlySet<number>;
    },
  ): Promise<void> {
    const { tables, vlans } = this.#deps;
    this.#isolated = tags;
    try {
      await tables.change([], failClosedFlows(desired, tags));
    } catch {
      const theirs = have.filter((flow) => flow.includes("table=10,") && tagsIn([flow]).size > 0)
        .filter((flow) => [...tagsIn([flow])].every((tag) => tags.has(tag)));
      await tables.change(theirs, []).catch(() => {});
    }
    if (!vlans.isEverything) vlans.set([...vlans.tags(), ...tags]);
    await this.#handover.ensure().catch(() => {});
  }
}
