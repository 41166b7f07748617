// The intents of an agent: planning, applying, and their history. What plans and compares them is loaded with the first
// request that needs it: an agent is asked for it rarely, and it takes 3 MB of memory (Deno 2.9.6).

import type { ImpactFacts } from "../../intent/plan_impact.ts";
import { type Documents, REQUESTS } from "../../intent/records.ts";
import { indexKeys } from "../../intent/store_index.ts";
import type { HistoryItem, IntentRequest, PlanAnswer } from "../api/intent_requests.ts";
import type { ApplyCourse, IntentStore } from "./apply.ts";
import { requestDeletions } from "./apply_requests.ts";
import { expiredRevisions } from "./expired_revisions.ts";
import type { HistoryLimit } from "./history_limit.ts";
import { interruptedRevisions } from "./revisions.ts";
import type { StoreCache } from "./store_cache.ts";

/** The intents of one store. */
export class Intents {
  readonly #cache: StoreCache;
  readonly #clock: () => string;
  readonly #random: () => number;
  readonly #stores = new WeakMap<StoreCache, IntentStore>();

  /** `clock` returns the time as ISO 8601 text; for `random` see IntentStore. */
  constructor(cache: StoreCache, clock: () => string, random: () => number = Math.random) {
    this.#cache = cache;
    this.#clock = clock;
    this.#random = random;
  }

  /** Returns what the request would change. Faults: as planRequest(). */
  async plan(request: IntentRequest, known: ImpactFacts): Promise<PlanAnswer> {
    const { previewRequest } = await import("./preview.ts");
    return await this.#cache.withWhole((cache) =>
      Promise.resolve(previewRequest(cache.documents, request, known))
    );
  }

  /** Applies the request and returns what changed. Faults: as IntentStore.apply(). */
  async apply(request: IntentRequest, course?: ApplyCourse): Promise<PlanAnswer> {
    const answer = await this.#cache.withWhole(async (cache) =>
      await (await this.#storeOf(cache)).apply(request, course)
    );
    await this.#cache.settle();
    return answer;
  }

  /** Returns the history, newest first; of one revision where `only` names it. Faults: usage, not_found. */
  async history(only?: string): Promise<HistoryItem[]> {
    const { historyItems } = await import("./revision_history.ts");
    return historyItems(await this.#revisions(), only);
  }

  /** Finishes applies that a crash interrupted; returns their revisions. Faults: as IntentStore.finishInterrupted(). */
  async finishInterrupted(): Promise<{ readonly n: number; readonly isFinished: boolean }[]> {
    if (await this.#isClean()) return [];
    return await this.#cache.withWhole(async (cache) =>
      await (await this.#storeOf(cache)).finishInterrupted()
    );
  }

  /** Forgets revisions beyond `limit`; `nowMs` is the time of day. */
  async expire(limit: HistoryLimit, nowMs: number): Promise<void> {
    const deletions = expiredRevisions(await this.#revisions(), limit, nowMs);
    while (deletions.length > 0) await this.#cache.tryCommit([], deletions.splice(0, 90));
  }

  async #isClean(): Promise<boolean> {
    if (!this.#cache.isWhole) {
      const left = await Promise.all(
        [indexKeys.unfinished, REQUESTS].map((prefix) => this.#cache.read(prefix)),
      );
      return left.every(({ size }) => size === 0);
    }
    const { documents } = this.#cache;
    return interruptedRevisions(documents).length === 0 &&
      requestDeletions(documents, () => true).length === 0;
  }

  async #revisions(): Promise<Documents> {
    return this.#cache.isWhole ? this.#cache.documents : await this.#cache.read("revisions/");
  }

  /** One for each cache: it does one apply at a time. */
  async #storeOf(cache: StoreCache): Promise<IntentStore> {
    const { IntentStore } = await import("./apply.ts");
    const known = this.#stores.get(cache);
    if (known) return known;
    const store = new IntentStore(cache, this.#clock, this.#random);
    this.#stores.set(cache, store);
    return store;
  }
}
