// Another user of a lab's etcd, as an API server is one: writes keys that are not ours, all the time.

import type { Etcd } from "./etcd.ts";

/** A writer at work until it is disposed of. */
export interface ForeignWriter extends AsyncDisposable {
  /** How many keys it has written. */
  readonly count: number;
}

/** Writes some `perSecond` keys a second below `/registry/`. */
export function startForeignWriter(etcd: Etcd, perSecond: number): ForeignWriter {
  const writer = new Writer(`http://${etcd.endpoints[0]}/v3/kv/put`);
  writer.start(1_000 / perSecond);
  return writer;
}

class Writer implements ForeignWriter {
  count = 0;
  readonly #url: string;
  readonly #pending = new Set<Promise<void>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      const put = this.#put();
      this.#pending.add(put);
      put.finally(() => this.#pending.delete(put));
    }, everyMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
  }

  async #put(): Promise<void> {
    const key = btoa(`/registry/events/${this.count % 100}`);
    const body = JSON.stringify({ key, value: btoa("x".repeat(500)) });
    const response = await fetch(this.#url, { method: "POST", body });
    await response.body?.cancel();
    if (response.ok) this.count++;
  }
}
