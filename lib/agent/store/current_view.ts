// The view that an agent has of its store, and its replacement by another one: when the indexes of the store become
// complete or incomplete. The new one is read while the old one is followed; no change is missed.

import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import { isUnreachable } from "../../util/errors.ts";
import type { StoreView } from "./store_view.ts";
import type { VersionedWrite } from "./versioned_map.ts";
import type { ViewChooser } from "./view_chooser.ts";

/** What the view depends on. */
export interface CurrentViewDeps {
  readonly views: ViewChooser;
  /** Called with the number of documents read so far. */
  readonly onRead: ((count: number) => void) | undefined;
  /** Called when another view has taken over. */
  readonly onReplaced: () => void;
}

const RETRY_MS = 1_000;
const PIN_MS = 100;

/** The current view. */
export class CurrentView {
  readonly #deps: CurrentViewDeps;
  #view: StoreView;
  /** The view that is being read, to replace the other. */
  #next: StoreView | undefined;
  /** How many rely on it to stay whole. */
  #pins = 0;

  /** Begins with a view of nothing. */
  constructor(deps: CurrentViewDeps) {
    this.#deps = deps;
    this.#view = deps.views.whole();
  }

  get view(): StoreView {
    return this.#view;
  }

  /** Reads the view that is right for this host, which takes over. Faults: unavailable, timeout. */
  async open(): Promise<void> {
    this.replace(await this.#read());
  }

  /** Takes `view` as it is. */
  replace(view: StoreView): void {
    this.#view = view;
    this.#next = undefined;
    this.#deps.onReplaced();
  }

  /** Takes over what this agent has written. */
  merge(writes: readonly VersionedWrite[]): void {
    for (const write of writes) {
      this.#view.merge(write);
      this.#next?.merge(write);
    }
  }

  /** Returns the result of `work`, during which a whole view stays whole. Faults: those of `work`. */
  async pinned<T>(work: () => Promise<T>): Promise<T> {
    this.#pins++;
    try {
      return await work();
    } finally {
      this.#pins--;
    }
  }

  /** Follows the store until `signal` aborts; calls `notify` after each batch with changes of others. */
  async follow(signal: AbortSignal, notify: () => void): Promise<void> {
    while (!signal.aborted) {
      const before = this.#view;
      await this.#followOne(before, signal, notify);
      if (this.#view !== before) notify();
    }
  }

  /** Follows a view until it is replaced by another one, or `signal` aborts. */
  async #followOne(view: StoreView, signal: AbortSignal, notify: () => void): Promise<void> {
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    const news = new Notifier();
    const following = view.follow(stop, () => {
      notify();
      news.notify();
    });
    const replacing = this.#replaceWhenDue(view, news, stop);
    try {
      await Promise.race([following, replacing]);
    } finally {
      ended.abort();
      await Promise.allSettled([following, replacing]);
    }
  }

  /** Replaces the view once the store says that another one is right for this host. */
  async #replaceWhenDue(view: StoreView, news: Notifier, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!this.#deps.views.isRight(view)) {
          const next = await this.#read();
          while (this.#pins > 0 && !signal.aborted) await pause(PIN_MS, signal);
          return this.replace(next);
        }
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        await pause(RETRY_MS, signal);
        continue;
      }
      await news.wait({ signal });
    }
  }

  async #read(): Promise<StoreView> {
    const { views, onRead } = this.#deps;
    while (true) {
      const view = await views.choose();
      // What this agent writes meanwhile is in both.
      this.#next = view;
      try {
        await view.load(onRead);
      } catch (error) {
        this.#next = undefined;
        throw error;
      }
      // Another one is right by now if the store was lost meanwhile.
      if (view.isWhole || views.isRight(view)) return view;
    }
  }
}
