// The MTU of pods' interfaces, from what the tunnel links of this and all other hosts carry. Measured at
// each look, not at each set-up: asking the kernel about 500 links costs more than a set-up's own links.

import type { Documents, NetworkRecord } from "../../intent/records.ts";
import type { Links } from "../../net/links.ts";
import { networkMtu } from "../../net/mtu.ts";
import type { Log } from "../../util/log.ts";
import { hostsOf, presencesOf } from "../store/documents.ts";

/** Knows the MTU of each network on this host. */
export class Mtus {
  readonly #links: Links;
  readonly #log: Log;
  #own: readonly number[] = [];
  #others: readonly number[] = [];
  #measured = "";
  readonly #warned = new Set<string>();

  constructor(links: Links, log: Log) {
    this.#links = links;
    this.#log = log;
  }

  /** Returns what this host's tunnel link carries, in bytes; undefined where it has none. */
  get own(): number | undefined {
    return this.#own.length === 0 ? undefined : Math.min(...this.#own);
  }

  /** Measures the links that have a tunnel address of the intent's hosts. */
  async measure(documents: Documents): Promise<void> {
    const addresses = tunnelAddresses(documents);
    const mtus = await Promise.all(addresses.map((address) => this.#links.linkMtu(address)));
    this.#own = mtus.filter((mtu) => mtu !== undefined);
    // What each host's agent has measured; this one's own says the same as just now.
    this.#others = presencesOf(documents).flatMap(({ mtu }) => mtu ?? []);
    this.#measured = addresses.join();
  }

  /** Measures if the intent names other tunnel addresses than at the last time. */
  async follow(documents: Documents): Promise<void> {
    // An intent and its first pod may come quicker than the look between them.
    if (tunnelAddresses(documents).join() !== this.#measured) await this.measure(documents);
  }

  /** Returns the MTU of `network` in bytes; warns once where it had to be assumed. */
  of(network: NetworkRecord): number {
    const { mtu, isAssumed } = networkMtu({
      encap: network.encap,
      override: network.mtu,
      vtepMtus: [...this.#own, ...this.#others],
    });
    const name = `${network.tenant}/${network.name}`;
    if (isAssumed && !this.#warned.has(name)) {
      this.#warned.add(name);
      this.#log.warn("MTU assumed: no link of this host has a tunnel address", {
        network: name,
        mtu,
      });
    }
    return mtu;
  }
}

function tunnelAddresses(documents: Documents): string[] {
  return hostsOf(documents).flatMap(({ vtepIp }) => vtepIp ? [vtepIp] : []);
}
