// The MTU of pod interfaces, from the MTU of the tunnel links of all hosts. Measured at each reconciliation,
// not at each set-up: reading 500 links from the kernel costs more than the links of a set-up. Nor does a set-up look
// at all hosts, of which there may be thousands.

import { ChangeFollower } from "../../intent/indexed_documents.ts";
import type { Documents, NetworkRecord } from "../../intent/records.ts";
import type { Links } from "../../net/links.ts";
import { networkMtu } from "../../net/mtu.ts";
import type { Log } from "../../util/log.ts";
import { hostsOf, presencesOf } from "../store/documents.ts";

/** The MTU of each network on this host. */
export class Mtus {
  readonly #links: Links;
  readonly #log: Log;
  #own: readonly number[] = [];
  /** The smallest MTU that the agents of all hosts have measured; none before the first. */
  #others: readonly number[] = [];
  #measured = "";
  readonly #follower = new ChangeFollower();
  /** Whether the intent's tunnel addresses may be others than those that were measured. */
  #mayDiffer = true;
  readonly #warned = new Set<string>();

  constructor(links: Links, log: Log) {
    this.#links = links;
    this.#log = log;
  }

  /** MTU of this host's tunnel link in bytes; undefined without one. */
  get own(): number | undefined {
    return this.#own.length === 0 ? undefined : Math.min(...this.#own);
  }

  /** Measures the links that have a tunnel address of the intent's hosts. */
  async measure(documents: Documents): Promise<void> {
    const addresses = tunnelAddresses(documents);
    this.#own = await this.#links.linkMtus(addresses);
    // That of this host is the same as above.
    const others = presencesOf(documents).flatMap(({ mtu }) => mtu ?? []);
    this.#others = others.length === 0 ? [] : [others.reduce((one, other) => Math.min(one, other))];
    this.#measured = addresses.join();
  }

  /** Measures if the intent names other tunnel addresses than at the last time. */
  async follow(documents: Documents): Promise<void> {
    // An intent and its first pod may both come before the next reconciliation.
    const changed = this.#follower.follow(documents);
    if (!changed || [...changed].some((key) => key.startsWith("hosts/"))) this.#mayDiffer = true;
    if (!this.#mayDiffer) return;
    if (this.#differs(documents)) await this.measure(documents);
    this.#mayDiffer = this.#differs(documents);
  }

  #differs(documents: Documents): boolean {
    return tunnelAddresses(documents).join() !== this.#measured;
  }

  /**
   * Returns the MTU that running pods of `network` follow, in bytes; undefined while it would only be
   * assumed, or while this host's tunnel link is not there: then they keep theirs.
   */
  settledOf(network: NetworkRecord): number | undefined {
    const isKnown = network.encap === "vlan" || network.mtu !== undefined || this.#own.length > 0;
    return isKnown ? this.#factsOf(network).mtu : undefined;
  }

  #factsOf({ encap, mtu: override }: NetworkRecord): ReturnType<typeof networkMtu> {
    return networkMtu({ encap, override, vtepMtus: [...this.#own, ...this.#others] });
  }

  /** Returns the MTU of `network` in bytes; warns once if it had to be assumed. */
  of(network: NetworkRecord): number {
    const { mtu, isAssumed } = this.#factsOf(network);
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
