// How many addresses of each network's pool are in use. With 100,000 endpoints counting takes a tenth of a second:
// it is done in slices, between which set-ups go on, and only if the store has changed.

import { poolUseOf } from "../../intent/audit.ts";
import { documentsIn, groups } from "../../intent/indexed_documents.ts";
import type { EndpointRecord } from "../../intent/records.ts";
import { networksOf } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { Sample } from "./series.ts";

/** Endpoints that are counted before others have their turn: a millisecond or two. */
const SLICE = 1_000;

/** The pools' samples, by metric. */
export interface PoolCounts {
  readonly sizes: readonly Sample[];
  readonly used: readonly Sample[];
  readonly held: readonly Sample[];
}

/** What is counted: the networks that are known. */
export type CountedStore = Pick<StoreCache, "documents" | "revision" | "knows">;

/** Counts again only when the store has changed. */
export class PoolCounter {
  #last: { readonly key: string; readonly counts: PoolCounts } | undefined;

  /** Returns the counts of the documents, which may change while they are counted. */
  async count(store: CountedStore): Promise<PoolCounts> {
    // Pending writes change documents without a revision.
    const key = `${store.revision} ${store.documents.size}`;
    if (this.#last?.key === key) return this.#last.counts;
    const counts = await countPools(store);
    this.#last = { key, counts };
    return counts;
  }
}

async function countPools(store: CountedStore): Promise<PoolCounts> {
  const { documents } = store;
  const counts = { sizes: [] as Sample[], used: [] as Sample[], held: [] as Sample[] };
  let counted = 0;
  for (const network of networksOf(documents)) {
    const { tenant, name } = network;
    if (!store.knows({ tenant, network: name })) continue;
    const use = poolUseOf(network);
    let [used, held] = [0, 0];
    const endpoints = documentsIn<EndpointRecord>(documents, groups.endpointsAt(tenant, name));
    for (const [, endpoint] of endpoints) {
      if (use.has(endpoint.address)) used++;
      if (endpoint.dynamic?.heldSince !== undefined) held++;
      if (++counted % SLICE === 0) await new Promise((done) => setTimeout(done, 0));
    }
    const labels = [tenant, name];
    counts.sizes.push({ labels, value: use.size });
    counts.used.push({ labels, value: used });
    counts.held.push({ labels, value: held });
  }
  return counts;
}
