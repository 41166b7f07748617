// Chooses what an agent reads of its store: all of it, or of a store that hosts share what its host needs, once that
// store says that its indexes are complete.

import type { Document, Documents } from "../../intent/records.ts";
import { areIndexesComplete, indexKeys } from "../../intent/store_index.ts";
import type { HeldNetworks } from "./held_networks.ts";
import { ScopedView } from "./scoped_view.ts";
import type { Known, StoreView, ViewSource } from "./store_view.ts";
import { WholeView } from "./whole_view.ts";

/** Makes views. */
export class ViewChooser {
  readonly #source: ViewSource;
  readonly #host: string | undefined;
  readonly #held: HeldNetworks;
  /** Whether a policy of Kubernetes is known. */
  hasKubePolicies = false;

  /** `host` is the one whose needs count; undefined: all is read always. */
  constructor(source: ViewSource, host: string | undefined, held: HeldNetworks) {
    this.#source = source;
    this.#host = host;
    this.#held = held;
  }

  /** Returns a view of the whole store that has what is `known`, not read yet. */
  whole(known?: Known): StoreView {
    return new WholeView(this.#source, known);
  }

  /** Reports whether a view is the right one by what it knows. */
  isRight({ documents, isWhole }: StoreView): boolean {
    return isWhole !== this.#isScoped(documents);
  }

  /** Returns the right view, not read yet. Faults: unavailable, timeout. */
  async choose(): Promise<StoreView> {
    const { store, call } = this.#source;
    if (this.#host === undefined) return this.whole();
    const { entries } = await call(() => store.list(indexKeys.state));
    const state = new Map<string, Document>(entries.map((one) => [one.key, one]));
    return this.#isScoped(state) ? this.#scoped(this.#host) : this.whole();
  }

  #isScoped(documents: Documents): boolean {
    return this.#host !== undefined && areIndexesComplete(documents);
  }

  #scoped(host: string): ScopedView {
    return new ScopedView(this.#source, {
      host,
      held: () => this.#held.networks(),
      noteApply: (applies) => this.#held.noteApply(applies),
      hasKubePolicies: () => this.hasKubePolicies,
      now: () => performance.now(),
    });
  }
}
