// The host-local VLAN of each VXLAN network: it never leaves this host. Kept in the ports' rows,
// so it is known again after a restart; moved when a VLAN network claims the same number.

import { parseVlanRanges } from "../../ipam/ranges.ts";
import { keys, type NetworkRecord } from "../../intent/records.ts";
import type { PortRow } from "../../ovs/switch.ts";
import { Fault } from "../../util/errors.ts";
import { tenantsOf } from "../record/documents.ts";
import type { Document } from "../record/mirror.ts";

type Documents = ReadonlyMap<string, Document>;

// Highest first: intents count their VLANs up from small numbers, so clashes are rare.
const HIGHEST = 4_094;

/** Access tags of this host's networks. */
export class LocalTags {
  readonly #tagByNetwork = new Map<string, number>();

  /** Takes over what the ports' rows say of networks that have no tag here yet. */
  restore(rows: readonly PortRow[]): void {
    for (const { tag, externalIds: { tenant, network } } of rows) {
      if (!tag || !tenant || !network) continue;
      const key = keys.network(tenant, network);
      if (!this.#tagByNetwork.has(key)) this.#tagByNetwork.set(key, tag);
    }
  }

  /**
   * Gives the access tag of `network` on this host: its VLAN, or a local one outside every tenant's
   * VLANs and every claimed one. Faults: exhausted.
   */
  tagOf(documents: Documents, network: NetworkRecord): number {
    if (network.encap === "vlan") return network.tag;
    const key = keys.network(network.tenant, network.name);
    const held = this.#tagByNetwork.get(key);
    const isTaken = takenIn(documents);
    if (held && !isTaken(held) && !this.#isHeldByOther(held, key)) return held;
    for (let tag = HIGHEST; tag > 0; tag--) {
      if (isTaken(tag) || this.#isHeldByOther(tag, key)) continue;
      this.#tagByNetwork.set(key, tag);
      return tag;
    }
    throw new Fault("exhausted", `no local VLAN left for ${network.tenant}/${network.name}`, {
      why: "tenants' Vlans and networks take all of 1-4094",
      fix: "narrow a tenant's Vlans",
    });
  }

  /** Forgets networks that are no longer there. */
  prune(documents: Documents): void {
    for (const key of this.#tagByNetwork.keys()) {
      if (!documents.has(key)) this.#tagByNetwork.delete(key);
    }
  }

  #isHeldByOther(tag: number, mine: string): boolean {
    for (const [key, held] of this.#tagByNetwork) if (held === tag && key !== mine) return true;
    return false;
  }
}

function takenIn(documents: Documents): (tag: number) => boolean {
  const pools = tenantsOf(documents).flatMap(({ vlans }) => vlans ? parseVlanRanges(vlans) : []);
  return (tag) =>
    documents.has(keys.vlanClaim(tag)) ||
    pools.some(({ first, last }) => tag >= first && tag <= last);
}
