// The lines of the policy tables as the switch has them, and the way from some to others: zones of the
// tracker that change hands are emptied first, and whom a refused bundle is about is cut off.

import type { PolicyTables } from "../../ovs/policy_tables/policy_tables.ts";
import type { World } from "../world.ts";
import { failClosedFlows, tagsIn } from "./fail_closed.ts";
import type { PolicyHandover } from "./policy_handover.ts";
import type { PolicyVlans } from "./policy_vlans.ts";

/** What is in force. */
export class InstalledFlows {
  readonly #tables: PolicyTables;
  readonly #policed: PolicyVlans;
  readonly #guards: PolicyHandover;
  /** Lines that the switch has; undefined where only the switch knows. */
  #have: ReadonlySet<string> | undefined;
  /** Lines that tell whose the tracker's zones are, as they were in force last. */
  #owners: ReadonlySet<string> = new Set();
  #closed: ReadonlySet<number> = new Set();

  constructor(tables: PolicyTables, policed: PolicyVlans, guards: PolicyHandover) {
    this.#tables = tables;
    this.#policed = policed;
    this.#guards = guards;
  }

  /** How many lines there are; undefined where only the switch knows. */
  get size(): number | undefined {
    return this.#have?.size;
  }

  /** Tags of the networks that are cut off for want of their rules. */
  get closed(): ReadonlySet<number> {
    return this.#closed;
  }

  /** From now on only the switch knows what there is. */
  forget(): void {
    this.#have = undefined;
  }

  /** Returns the lines. */
  async lines(): Promise<ReadonlySet<string>> {
    return this.#have ?? this.#guards.take(await this.#tables.read());
  }

  /** Takes for known that these are there. */
  note(lines: Iterable<string>): void {
    this.#have = new Set(lines);
  }

  /** Nobody is cut off any more. */
  open(): void {
    this.#closed = new Set();
  }

  /** Turns `have` into `want`. Faults: those of the switch; then whom it is about is cut off. */
  async change(
    world: World,
    have: ReadonlySet<string>,
    want: readonly string[],
  ): Promise<void> {
    try {
      await this.#tables.change([...await this.#handOver(have, want)], want);
    } catch (error) {
      const wanted = new Set(want);
      const fresh = want.filter((line) => !have.has(line));
      const gone = [...have].filter((line) => !wanted.has(line));
      const concerned = tagsIn([...fresh, ...gone]);
      // Lines that are the same for all networks are about all of them.
      const tags = concerned.size > 0 ? concerned : tagsIn(want);
      await this.#close(world, { have: [...have], want, tags });
      throw error;
    }
  }

  /** Empties the zones that change hands, whose lines go first; gives the lines that are left. */
  async #handOver(
    have: ReadonlySet<string>,
    want: readonly string[],
  ): Promise<ReadonlySet<string>> {
    if (want.length === 0) {
      this.#owners = new Set();
      return have;
    }
    const { handoverOf, ownersIn } = await import("./conntrack_zones.ts");
    const { zones, doors } = handoverOf(have, want, this.#owners);
    this.#owners = new Set();
    if (doors.length > 0) await this.#tables.change(doors, []);
    for (const zone of zones) await this.#tables.emptyZone(zone);
    this.#owners = ownersIn(want);
    const gone = new Set(doors);
    return doors.length === 0 ? have : new Set([...have].filter((line) => !gone.has(line)));
  }

  /** Cuts off whom the refused lines are about; at worst their networks, which needs no flow at all. */
  async #close(
    world: World,
    { have, want, tags }: {
      readonly have: readonly string[];
      readonly want: readonly string[];
      readonly tags: ReadonlySet<number>;
    },
  ): Promise<void> {
    this.#closed = tags;
    try {
      await this.#tables.change([], failClosedFlows(want, tags));
    } catch {
      const theirs = have.filter((line) => line.includes("table=10,") && tagsIn([line]).size > 0)
        .filter((line) => [...tagsIn([line])].every((tag) => tags.has(tag)));
      await this.#tables.change(theirs, []).catch(() => {});
    }
    if (!this.#policed.isEverything) {
      this.#policed.set([...this.#policed.tags(), ...tags]);
    }
    await this.#guards.ensure(world).catch(() => {});
  }
}
