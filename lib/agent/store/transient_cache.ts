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
}

/** Opens a cache when it is needed. */
export class TransientCache<C extends Cache> {
  readonly #load: () => Promise<C>;
  #users = 0;
  #opened: Promise<Opened<C>> | undefined;
  /** Why its watch has failed, for the next one who needs it. */
  #failure: { readonly error: unknown } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `load` reads the whole store. */
  constructor(load: () => Promise<C>) {
    this.#load = load;
  }

  /** Returns the result of `work` on a cache that has all commits made before this call. Faults: of the store, of `work`. */
  async use<T>(work: (cache: C) => Promise<T>): Promise<T> {
    this.#users++;
    clearTimeout(this.#timer);
    try {
      this.#throwFailure();
      const isNew = this.#opened === undefined;
      this.#opened ??= this.#open();
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
    this.#failure = undefined;
    opened?.then(({ stop }) => stop.abort(), () => {});
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  #open(): Promise<Opened<C>> {
    const opened = this.#load().then((cache) => {
      const stop = new AbortController();
      cache.follow(stop.signal, () => {}).catch((error) => {
        // It is read again by the next one who needs it.
        if (!isUnreachable(faultFrom(error))) this.#failure = { error };
      }).finally(() => this.#forget(opened));
      return { cache, stop };
    });
    opened.catch(() => this.#forget(opened));
    return opened;
  }

  /** What nobody follows any longer becomes out of date. */
  #forget(opened: Promise<Opened<C>>): void {
    if (this.#opened === opened) this.#opened = undefined;
  }
}
