// Which changes of rows are news to somebody: most that ovs-vswitchd writes are its answer to us.

import type { RowCache } from "./port_rows.ts";
import type { PortRow } from "../switch.ts";

/** Remembers rows as they were told last. */
export class RowChanges {
  readonly #views = new Map<string, PortRow>();
  readonly #links = new Set<string>();

  /** Takes the rows as they are now for known. */
  reset(mirror: RowCache): void {
    this.#views.clear();
    for (const row of mirror.ports()) this.#views.set(row.name, row);
  }

  /** Returns those of the names whose change is news. */
  among(names: Iterable<string>, mirror: RowCache): string[] {
    return [...names].filter((name) => this.#isLost(name, mirror) || this.#isNews(name, mirror));
  }

  // Uplink or overlay without a port of theirs; whoever made them knows that they came.
  #isLost(name: string, mirror: RowCache): boolean {
    if (!mirror.hasLink(name)) return this.#links.delete(name);
    this.#links.add(name);
    return false;
  }

  // ovs-vswitchd writes a number into each new row, which is no news; another number later is.
  #isNews(name: string, mirror: RowCache): boolean {
    const [before, now] = [this.#views.get(name), mirror.port(name)?.row];
    if (now) this.#views.set(name, now);
    else this.#views.delete(name);
    const bare = (row: PortRow | undefined) => JSON.stringify({ ...row, ofport: undefined });
    const isRenumbered = before?.ofport !== undefined && before.ofport !== now?.ofport;
    return isRenumbered || bare(before) !== bare(now);
  }
}
