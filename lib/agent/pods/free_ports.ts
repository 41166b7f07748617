// The warm ports that a set-up may take, in the order in which they became free: the longer nobody has had one, the less
// of its last pod's traffic is cached.

import { type FreePort, isSame, type PoolNetwork } from "./plan_pools.ts";

/** Free ports of all networks. */
export class FreePorts {
  readonly #byName = new Map<string, FreePort>();

  /** Whether no network has one. */
  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  /** Returns how many a network has, as it is now. */
  count(network: Omit<PoolNetwork, "pods" | "burst">): number {
    return this.#byName.values().filter((port) => isSame(port, network)).reduce((n) => n + 1, 0);
  }

  /** Adds one that has just become free. */
  add(port: FreePort): void {
    this.#byName.set(port.name, port);
  }

  /** Makes them exactly `ports`: those that were free stay in their order, the others come after them. */
  replaceAll(ports: readonly FreePort[]): void {
    const names = new Set(ports.map(({ name }) => name));
    for (const name of [...this.#byName.keys()]) if (!names.has(name)) this.#byName.delete(name);
    for (const port of ports) this.add(port);
  }

  /** Removes and returns the first one of a network, as that is now; undefined if there is none. */
  take(network: Omit<PoolNetwork, "pods" | "burst">): FreePort | undefined {
    for (const port of this.#byName.values()) {
      if (!isSame(port, network)) continue;
      this.#byName.delete(port.name);
      return port;
    }
    return undefined;
  }
}
