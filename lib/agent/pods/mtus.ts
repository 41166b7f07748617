// The MTU of pods' interfaces, from what this host's tunnel link carries. Measured at each look, not
// at each set-up: asking the kernel about 500 links costs more than a set-up's own links.

import type { NetworkRecord } from "../../intent/records.ts";
import type { Links } from "../../net/links.ts";
import { networkMtu } from "../../net/mtu.ts";
import type { Log } from "../../util/log.ts";
import { hostsOf } from "../record/documents.ts";
import type { Document } from "../record/mirror.ts";

/** Knows the MTU of each network on this host. */
export class Mtus {
  readonly #links: Links;
  readonly #log: Log;
  #vtepMtus: readonly number[] = [];
  #measured = "";
  readonly #warned = new Set<string>();

  constructor(links: Links, log: Log) {
    this.#links = links;
    this.#log = log;
  }

  /** Measures the links that have a tunnel address of the intent's hosts. */
  async measure(documents: ReadonlyMap<string, Document>): Promise<void> {
    const addresses = tunnelAddresses(documents);
    const mtus = await Promise.all(addresses.map((address) => this.#links.linkMtu(address)));
    this.#vtepMtus = mtus.filter((mtu) => mtu !== undefined);
    this.#measured = addresses.join();
  }

  /** Measures if the intent names other tunnel addresses than at the last time. */
  async follow(documents: ReadonlyMap<string, Document>): Promise<void> {
    // An intent and its first pod may come quicker than the look between them.
    if (tunnelAddresses(documents).join() !== this.#measured) await this.measure(documents);
  }

  /** Gives the MTU of `network` in bytes; warns once where it had to be assumed. */
  of(network: NetworkRecord): number {
    const { mtu, isAssumed } = networkMtu({
      encap: network.encap,
      override: network.mtu,
      vtepMtus: this.#vtepMtus,
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

function tunnelAddresses(documents: ReadonlyMap<string, Document>): string[] {
  return hostsOf(documents).flatMap(({ vtepIp }) => vtepIp ? [vtepIp] : []);
}
