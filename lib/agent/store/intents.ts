// The intents of an agent: planning, applying, and their history. What plans and compares them is loaded with the first
// request that needs it: an agent is asked for it rarely, and it takes 3 MB of memory (Deno 2.9.6).

import type { WaitingPod } from "../../intent/plan_impact.ts";
import type { HistoryItem, IntentRequest, PlanAnswer } from "../api.ts";
import type { IntentStore } from "./apply.ts";
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
  #store: Promise<IntentStore> | undefined;

  /** `clock` returns the time as ISO 8601 text; for `random` see IntentStore. */
  constructor(cache: StoreCache, clock: () => string, random: () => number = Math.random) {
    this.#cache = cache;
    this.#clock = clock;
    this.#random = random;
  }

  /** Returns what the request would change; `waiting` are pods that run without a network. Faults: as planRequest(). */
  async plan(request: IntentRequest, waiting: readonly WaitingPod[]): Promise<PlanAnswer> {
    const { previewRequest } = await import("./preview.ts");
    return previewRequest(this.#cache.documents, request, waiting);
  }

  /** Applies the request and returns what changed. Faults: as IntentStore.apply(). */
  async apply(request: IntentRequest): Promise<PlanAnswer> {
    return await (await this.#load()).apply(request);
  }

  /** Returns the history, newest first; of one revision where `only` names it. Faults: usage, not_found. */
  async history(only?: string): Promise<HistoryItem[]> {
    const { historyItems } = await import("./revision_history.ts");
    return historyItems(this.#cache.documents, only);
  }

  /** Finishes applies that a crash interrupted; returns their revisions. Faults: as IntentStore.finishInterrupted(). */
  async finishInterrupted(): Promise<{ readonly n: number; readonly isFinished: boolean }[]> {
    const { documents } = this.#cache;
    const isClean = interruptedRevisions(documents).length === 0 &&
      requestDeletions(documents, () => true).length === 0;
    return isClean ? [] : await (await this.#load()).finishInterrupted();
  }

  /** Forgets revisions beyond `limit`; `nowMs` is the time of day. */
  async expire(limit: HistoryLimit, nowMs: number): Promise<void> {
    const deletions = expiredRevisions(this.#cache.documents, limit, nowMs);
    while (deletions.length > 0) await this.#cache.tryCommit([], deletions.splice(0, 90));
  }

  #load(): Promise<IntentStore> {
    return this.#store ??= import("./apply.ts").then(({ IntentStore }) =>
      new IntentStore(this.#cache, this.#clock, this.#random)
    );
  }
}
