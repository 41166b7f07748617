// What a host's set-ups share of their searches for free addresses: one search at a time for each network, and its
// result for a moment. A host's pods come in bursts, and a search in a large pool is work for the store.

import type { NetworkPool } from "./free_addresses.ts";

/** Searches a network, as findFreeAddresses(), for addresses of which `isTaken` is false. */
type SearchAddresses = (
  network: NetworkPool,
  isTaken: (address: string) => boolean,
) => Promise<readonly string[]>;

interface Found {
  readonly addresses: readonly string[];
  readonly atMs: number;
}

// Addresses that become free meanwhile are not found before that.
const KEPT_MS = 10_000;

/** Finds free addresses of networks. */
export class AddressFinder {
  readonly #search: SearchAddresses;
  readonly #now: () => number;
  readonly #found = new Map<string, Found>();
  readonly #running = new Map<string, Promise<readonly string[]>>();

  /** `now` returns monotonic milliseconds. */
  constructor(search: SearchAddresses, now: () => number) {
    this.#search = search;
    this.#now = now;
  }

  /**
   * Returns addresses of which some were free in the last seconds; none if the pool is full. `isTaken` reports whether
   * one is known to be taken by now. Faults: those of the search.
   */
  async find(
    network: NetworkPool,
    isTaken: (address: string) => boolean,
  ): Promise<readonly string[]> {
    const { name } = network.pool;
    const known = this.#found.get(name);
    if (known && known.atMs > this.#now() - KEPT_MS && !known.addresses.every(isTaken)) {
      return known.addresses;
    }
    const running = this.#running.get(name) ?? this.#start(name, network, isTaken);
    return await running;
  }

  #start(
    name: string,
    network: NetworkPool,
    isTaken: (address: string) => boolean,
  ): Promise<readonly string[]> {
    const search = this.#search(network, isTaken).then((addresses) => {
      this.#found.set(name, { addresses, atMs: this.#now() });
      return addresses;
    }).finally(() => this.#running.delete(name));
    this.#running.set(name, search);
    return search;
  }
}
