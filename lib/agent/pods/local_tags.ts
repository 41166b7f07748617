// The host-local VLAN of each VXLAN network, which never leaves this host. It is stored in the rows of the
// ports, and so survives a restart; it changes when a VLAN network claims the same number.

import { parseVlanRanges } from "../../ipam/ranges.ts";
import { type Documents, keys, type NetworkRecord } from "../../intent/records.ts";
import type { PortRow } from "../../ovs/switch.ts";
import { tenantsOf } from "../store/documents.ts";

// Highest first: intents use their VLANs from small numbers on, so conflicts are rare.
const HIGHEST = 4_094;

/** Access tags of this host's networks. */
export class LocalTags {
  readonly #tagByNetwork = new Map<string, number>();

  /** Takes over the tags in the rows of ports, for networks without a tag here. */
  restore(rows: readonly PortRow[]): void {
    for (const { tag, externalIds: { tenant, network } } of rows) {
      if (!tag || !tenant || !network) continue;
      const key = keys.network(tenant, network);
      if (!this.#tagByNetwork.has(key)) this.#tagByNetwork.set(key, tag);
    }
  }

  /**
   * Returns the access tag of `network` on this host: its VLAN, or a local one outside every tenant's
   * VLANs and every claimed one; undefined if none is left.
   */
  tagOf(documents: Documents, network: NetworkRecord): number | undefined {
    if (network.encap === "vlan") return network.tag;
    const key = keys.network(network.tenant, network.name);
    const held = this.#tagByNetwork.get(key);
    const isMine = held !== undefined && !this.#isHeldByOther(held, key);
    const isPooled = poolsIn(documents);
    const isClaimed = (tag: number) => documents.has(keys.vlanClaim(tag));
    if (isMine && !isPooled(held) && !isClaimed(held)) return held;
    const free = this.#freeTag(key, (tag) => isPooled(tag) || isClaimed(tag)) ??
      // Vlans widened over the tag do not isolate pods: only a network that claims it does.
      (isMine && !isClaimed(held) ? held : undefined);
    if (free !== undefined) this.#tagByNetwork.set(key, free);
    return free;
  }

  /** Forgets networks that no longer exist. */
  prune(documents: Documents): void {
    for (const key of this.#tagByNetwork.keys()) {
      if (!documents.has(key)) this.#tagByNetwork.delete(key);
    }
  }

  #freeTag(key: string, isTaken: (tag: number) => boolean): number | undefined {
    for (let tag = HIGHEST; tag > 0; tag--) {
      if (!isTaken(tag) && !this.#isHeldByOther(tag, key)) return tag;
    }
    return undefined;
  }

  #isHeldByOther(tag: number, mine: string): boolean {
    for (const [key, held] of this.#tagByNetwork) if (held === tag && key !== mine) return true;
    return false;
  }
}

function poolsIn(documents: Documents): (tag: number) => boolean {
  const pools = tenantsOf(documents).flatMap(({ vlans }) => vlans ? parseVlanRanges(vlans) : []);
  return (tag) => pools.some(({ first, last }) => tag >= first && tag <= last);
}
