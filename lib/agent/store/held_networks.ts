// Networks that somebody holds: set-ups in progress, pods without a network that wait for an endpoint. In a view of the
// whole store they are noted, too, as it may be replaced by another one meanwhile.

import { type Fault, faultFrom, isUnreachable } from "../../util/errors.ts";
import type { Document } from "../../intent/records.ts";
import type { AppliesRecord } from "../../intent/store_index.ts";
import type { StoreView } from "./store_view.ts";

/** What somebody is about to rely on. */
export interface Needs {
  /** Names of pods and containers, and begins of ids, by which endpoints are found. */
  readonly words?: readonly string[];
  readonly networks?: readonly { readonly tenant: string; readonly name: string }[];
}

/** What is held until it is disposed of. */
export interface Held extends Disposable {
  /** Why the store did not say all that was asked: it is unreachable. */
  readonly fault: Fault | undefined;
}

/** Holds networks (`tenant/network`). */
export class HeldNetworks {
  readonly #counts = new Map<string, number>();
  /** Networks by the word that named them, of what is kept. */
  #byWord = new Map<string, readonly string[]>();
  #kept: ReadonlySet<string> = new Set();
  /** Words that are to be looked up again. */
  #due: Set<string> | "all" = "all";
  /** Revision of the last apply that was noted. */
  #appliedAt = 0;

  /** All of them. */
  networks(): Set<string> {
    return new Set([...this.#counts.keys(), ...this.#kept]);
  }

  /** Makes sure that `view` knows what is needed, as far as the store answers, until the result is disposed of. */
  async hold(view: StoreView, needs: Needs): Promise<Held> {
    const held = idsOf(needs);
    held.forEach((id) => this.#add(id, 1));
    let fault: Fault | undefined;
    try {
      const named = (await view.networksNamed(needs.words ?? [])).flat();
      held.push(...named);
      named.forEach((id) => this.#add(id, 1));
      await view.adjust();
    } catch (error) {
      fault = faultFrom(error);
      if (!isUnreachable(fault)) {
        held.forEach((id) => this.#add(id, -1));
        throw error;
      }
    }
    return { fault, [Symbol.dispose]: () => held.splice(0).forEach((id) => this.#add(id, -1)) };
  }

  /**
   * Makes sure that `view` knows what is needed, until the next call. A word is looked up again only when an apply may
   * have changed what it names. Faults: unavailable, timeout.
   */
  async keep(view: StoreView, needs: Needs): Promise<void> {
    const { words = [] } = needs;
    const due = this.#due;
    this.#due = new Set();
    const before = this.#byWord;
    const unknown = words.filter((word) => due === "all" || due.has(word) || !before.has(word));
    // An apply that ends from now on is noted for these words, too.
    this.#byWord = new Map(words.map((word) => [word, before.get(word) ?? []]));
    try {
      const named = await view.networksNamed(unknown);
      unknown.forEach((word, at) => this.#byWord.set(word, named[at] ?? []));
      this.#kept = new Set([...idsOf(needs), ...[...this.#byWord.values()].flat()]);
      await view.adjust();
    } catch (error) {
      this.#due = "all";
      throw error;
    }
  }

  /** Notes that an apply has ended; reports whether it may concern what is kept. Undefined: any may have ended. */
  noteApply(applies: Document | undefined): boolean {
    const { words, after } = applies?.value as Partial<AppliesRecord> | undefined ?? {};
    const isNext = words !== undefined && after === this.#appliedAt;
    this.#appliedAt = applies?.revision ?? 0;
    if (!isNext) this.#due = "all";
    const mine = isNext ? words.filter((word) => this.#byWord.has(word)) : [];
    if (this.#due !== "all") { for (const word of mine) this.#due.add(word); }
    return mine.length > 0 || (!isNext && this.#byWord.size > 0);
  }

  #add(id: string, count: number): void {
    const now = (this.#counts.get(id) ?? 0) + count;
    if (now > 0) this.#counts.set(id, now);
    else this.#counts.delete(id);
  }
}

function idsOf({ networks = [] }: Needs): string[] {
  return networks.map(({ tenant, name }) => `${tenant}/${name}`);
}
