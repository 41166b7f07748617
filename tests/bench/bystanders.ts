// What the other hosts of a cluster write while one agent is measured.

import type { IndexedDocuments } from "../../lib/intent/indexed_documents.ts";
import { type EndpointRecord, keys, type PresenceRecord } from "../../lib/intent/records.ts";
import type { Json, Store, Write } from "../../lib/store/store.ts";
import { type ClusterSize, podName } from "./envelope_store.ts";

// As lib/agent/store/presence.ts has them.
const BEAT_MS = 10_000;
const BEAT_MS_PER_HOST = 10;
/** Heartbeats are written so many at once: what counts is what they cost those who follow them. */
const BATCH = 50;
const TICK_MS = 100;

/** The other hosts. */
export class Bystanders {
  readonly #store: Store;
  readonly #documents: IndexedDocuments;
  readonly #size: ClusterSize;
  #count = 0;

  constructor(store: Store, documents: IndexedDocuments, size: ClusterSize) {
    this.#store = store;
    this.#documents = documents;
    this.#size = size;
  }

  /** Changes `rate` endpoints a second, none in a network that `host0` has, for `forMs` or until `signal` aborts. */
  async change(rate: number, forMs: number, signal?: AbortSignal): Promise<void> {
    const write = () => this.#store.commit([], [this.#change()]);
    await this.#at(rate, { forMs, signal, write });
  }

  /** Writes the heartbeats of all hosts for `forMs`. */
  async beat(forMs: number): Promise<void> {
    const { hosts } = this.#size;
    const beatsASecond = hosts / Math.max(BEAT_MS, hosts * BEAT_MS_PER_HOST) * 1_000;
    const size = Math.min(BATCH, this.#size.hosts - 1, Math.ceil(beatsASecond));
    const write = () => {
      const hosts = new Set(
        Array.from({ length: size }, () => this.#count++ % (this.#size.hosts - 1)),
      );
      return this.#store.commit([], [...hosts].map((n) => this.#heartbeat(`host${n + 1}`)));
    };
    await this.#at(beatsASecond / size, { forMs, write });
  }

  /** Writes `rate` times a second, and counts what is still to come when it is late. */
  async #at(
    rate: number,
    { forMs, signal, write }: {
      readonly forMs: number;
      readonly signal?: AbortSignal | undefined;
      readonly write: () => Promise<unknown>;
    },
  ): Promise<void> {
    const start = performance.now();
    let done = 0;
    while (performance.now() - start < forMs && !signal?.aborted) {
      const due = Math.floor((performance.now() - start) / 1_000 * rate);
      const now = Math.min(due - done, rate);
      await Promise.all(Array.from({ length: now }, write));
      done += Math.max(0, now);
      await new Promise((next) => setTimeout(next, TICK_MS));
    }
  }

  #change(): Write {
    const n = this.#count++;
    // The last tenant has none of the networks of host0.
    const { tenants, networks, endpoints } = this.#size;
    const network = n % networks;
    const name = podName(tenants - 1, network, Math.floor(n / networks) % endpoints);
    const key = keys.endpoint(`t${tenants - 1}`, `n${network}`, name);
    const record = this.#documents.get(key)?.value as EndpointRecord;
    return { key, value: { ...record, labels: { round: `${n}` } } as unknown as Json };
  }

  #heartbeat(host: string): Write {
    const key = keys.presence(host);
    const record = this.#documents.get(key)?.value as PresenceRecord;
    const at = new Date().toISOString();
    return { key, value: { ...record, beat: this.#count, at } as unknown as Json };
  }
}
