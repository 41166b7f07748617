// Which changes of rows the agent has to know of: most changes by ovs-vswitchd are the result of our own.

import type { RowCache } from "./port_rows.ts";
import type { PortRow } from "../switch.ts";

/** Remembers rows as they were reported last. */
export class RowChanges {
  readonly #known = new Map<string, PortRow>();
  readonly #links = new Set<string>();
  #bridgeError: string | undefined;

  /** Takes the present rows as known. */
  reset(cache: RowCache): void {
    this.#known.clear();
    for (const row of cache.ports()) this.#known.set(row.name, row);
    this.#bridgeError = cache.errorOf(cache.bridge)?.error;
  }

  /** Returns those of the names with a change that was not expected. */
  among(names: Iterable<string>, cache: RowCache): string[] {
    return [...names].filter((name) =>
      this.#isLost(name, cache) || this.#isExternal(name, cache) || this.#isBroken(name, cache)
    );
  }

  // Only the bridge itself: a tunnel's port with an error is created again by each reconciliation.
  #isBroken(name: string, cache: RowCache): boolean {
    if (name !== cache.bridge) return false;
    const before = this.#bridgeError;
    this.#bridgeError = cache.errorOf(name)?.error;
    return this.#bridgeError !== before;
  }

  // A port of uplink or tunnel that is gone; that it came is known to the agent, which added it.
  #isLost(name: string, cache: RowCache): boolean {
    if (!cache.hasLink(name)) return this.#links.delete(name);
    this.#links.add(name);
    return false;
  }

  // ovs-vswitchd writes a number into each new row, which is expected; another number later is not.
  #isExternal(name: string, cache: RowCache): boolean {
    const [before, now] = [this.#known.get(name), cache.port(name)?.row];
    if (now) this.#known.set(name, now);
    else this.#known.delete(name);
    const bare = (row: PortRow | undefined) => JSON.stringify({ ...row, ofport: undefined });
    const isRenumbered = before?.ofport !== undefined && before.ofport !== now?.ofport;
    return isRenumbered || bare(before) !== bare(now);
  }
}
