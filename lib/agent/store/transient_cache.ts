// A cache of the whole store for as long as somebody needs it: a plan, an audit, a list of all endpoints. It is shared by
// those who need it at the same time, and kept a moment for the next one.

import { faultFrom, isUnreachable } from "../../util/errors.ts";

const KEEP_MS = 5_000;

/** What it keeps: a StoreCache. */
interface Cache {
  follow(signal: AbortSignal, notify: () => void): Promise<void>;
  catchUp(): Promise<void>;
}

interface Opened<C> {
  readonly cache: C;
  readonly stop: AbortController;
  readonly following: Promise<void>;
}

/** Opens a cache when it is needed. */
export class TransientCache<C extends Cache> {
  readonly #load: () => Promise<C>;
  #users = 0;
  #opened: Promise<Opened<C>> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `load` reads the whole store. */
  constructor(load: () => Promise<C>) {
    this.#load = load;
  }

  /** Returns the result of `work` on a cache that has all commits made before this call. Faults: of the store, of `work`. */
  async use<T>(work: (cache: C) => Promise<T>): Promise<T> {
    this.#users++;
    clearTimeout(this.#timer);
    const isNew = this.#opened === undefined;
    this.#opened ??= this.#open();
    try {
      const { cache } = await this.#opened;
      if (!isNew) await cache.catchUp();
      return await work(cache);
    } finally {
      if (--this.#users === 0) this.#timer = setTimeout(() => this.close(), KEEP_MS);
    }
  }

  /** Forgets it. */
  close(): void {
    clearTimeout(this.#timer);
    const opened = this.#opened;
    this.#opened = undefined;
    opened?.then(({ stop }) => stop.abort(), () => {});
  }

  async #open(): Promise<Opened<C>> {
    try {
      const cache = await this.#load();
      const stop = new AbortController();
      const following = cache.follow(stop.signal, () => {}).catch((error) => {
        // It is read again by the next one who needs it.
        if (!isUnreachable(faultFrom(error))) throw error;
      });
      following.catch(() => {}).finally(() => stop.abort());
      return { cache, stop, following };
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }
}
