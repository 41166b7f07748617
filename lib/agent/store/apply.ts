// Intent into the store: plans on the mirror's documents and commits what the plan says, framed by a
// revision record. Used by the agent, and by commands that were given --store.

import { planCommits, resolveChecks } from "../../intent/plan_commits.ts";
import { type Documents, keys } from "../../intent/records.ts";
import { planChange } from "../../intent/partial_plan.ts";
import { planBindings } from "../../intent/plan.ts";
import type { Plan } from "../../intent/plan/operation.ts";
import { parseBindings, parseIntent } from "../../intent/schema.ts";
import type { Check, Write } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { IntentRequest, PlanAnswer } from "../api.ts";
import type { StoreCache } from "./store_cache.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { findRequest, requestDeletions, requestWrites } from "./apply_requests.ts";
import {
  interruptedRevisions,
  lastRevision,
  nextRevision,
  type RevisionRecord,
} from "./revisions.ts";
import { commitAll } from "./parallel_commits.ts";

// Another writer makes a plan stale; that many times in a row only a store that is fought over does.
const TRIES = 30;
// At most so many free addresses and revision numbers further on.
const MOST_SKIPPED = 1_000;
const PAUSE_MS = 10;
const CROWDED = /^(claims\/ip|revisions)\//;

/** Returns the plan of a request on `documents`; for `skip` see Wish. Faults: as parseIntent() and planIntent(). */
export function planRequest(
  documents: Documents,
  { mode, text, force = false, strict = false }: IntentRequest,
  skip = 0,
): { readonly plan: Plan; readonly answer: PlanAnswer } {
  const { plan, notes } = mode === "bindings"
    ? { plan: planBindings(documents, parseBindings(text)), notes: [] }
    : planFile(documents, { mode, text, force, strict, skip });
  const operations = plan.operations.map(({ verb, kind, name, lines }) => ({
    verb,
    kind,
    name,
    lines,
  }));
  return { plan, answer: { operations, warnings: [...notes, ...plan.warnings] } };
}

function planFile(
  documents: Documents,
  { mode, text, force, strict, skip }: {
    mode: "add" | "replace" | "delete";
    text: string;
    force: boolean;
    strict: boolean;
    skip: number;
  },
): { readonly plan: Plan; readonly notes: readonly string[] } {
  const { intent, warnings } = parseIntent(text, { strict });
  return { plan: planChange(documents, { mode, intent, force, skip }), notes: warnings };
}

/** Applies intents to one store, one at a time. */
export class IntentStore {
  readonly #mirror: StoreCache;
  readonly #clock: () => string;
  readonly #chance: () => number;
  readonly #queue = new KeyedQueue();

  /** `chance` gives 0 up to 1, another one in each process: it keeps rivals apart. */
  constructor(mirror: StoreCache, clock: () => string, chance: () => number = Math.random) {
    this.#mirror = mirror;
    this.#clock = clock;
    this.#chance = chance;
  }

  /** Makes the request come true; gives what changed. A plan that others made stale is made anew. */
  apply(request: IntentRequest): Promise<PlanAnswer> {
    return this.#queue.run("apply", () => this.#apply(request));
  }

  /** Finishes what a crash cut off, oldest first; not where its request had not been kept whole. */
  async finishInterrupted(): Promise<{ readonly n: number; readonly isFinished: boolean }[]> {
    const ended: { n: number; isFinished: boolean }[] = [];
    for (const left of interruptedRevisions(this.#mirror.documents)) {
      ended.push({ n: left.n, isFinished: await this.#finish(left) });
    }
    await this.#forgetRequests();
    return ended;
  }

  async #finish(left: RevisionRecord): Promise<boolean> {
    const request = findRequest(this.#mirror.documents, left);
    try {
      if (request) await this.apply(request);
      return request !== undefined;
    } catch (error) {
      throw new Fault("failed", `revision ${left.n} was cut off and cannot be finished`, {
        why: faultFrom(error).message,
        fix: "apply the intent again",
        cause: error,
      });
    } finally {
      await this.#mirror.commit((documents) => {
        const key = keys.revision(left.n);
        const known = documents.get(key);
        // Whoever had begun it may have been alive, and have ended it meanwhile.
        if ((known?.value as RevisionRecord | undefined)?.state !== "applying") return undefined;
        const write = record({ ...left, state: "interrupted" });
        return { checks: [{ key, revision: known?.revision ?? 0 }], writes: [write] };
      });
    }
  }

  /** Removes the requests of applies that have ended. What is left by a crash goes the next time. */
  async #forgetRequests(): Promise<void> {
    const { documents } = this.#mirror;
    const open = new Set(interruptedRevisions(documents).map(({ n }) => n));
    const deletions = requestDeletions(documents, (n) => !open.has(n));
    while (deletions.length > 0) await this.#mirror.tryCommit([], deletions.splice(0, 90));
  }

  async #apply(request: IntentRequest): Promise<PlanAnswer> {
    const first = planRequest(this.#mirror.documents, request);
    if (first.plan.operations.length === 0) return first.answer;
    const began = { at: this.#clock(), request, changes: first.plan.operations.length };
    let skip = 0;
    const frame = new Frame(() => nextRevision(this.#mirror.documents, began, skip));
    let { plan } = first;
    for (let tries = 0; tries < TRIES; tries++) {
      const conflict = await this.#commitAll(plan, frame, request);
      if (conflict === undefined) {
        await this.#forgetRequests();
        return { ...first.answer, revision: frame.n };
      }
      await new Promise((done) => setTimeout(done, this.#chance() * PAUSE_MS * tries));
      await this.#mirror.learn(conflict);
      // Others take what we took: the same lowest free address, the same next number.
      if (CROWDED.test(conflict)) skip = this.#skipFor(frame.n, tries);
      ({ plan } = planRequest(this.#mirror.documents, request, skip));
      if (plan.operations.length > 0) continue;
      // Somebody else finished it; what we began is done all the same.
      await this.#mirror.tryCommit([], [frame.write("done")]);
      await this.#forgetRequests();
      return { ...first.answer, revision: frame.n };
    }
    throw new Fault("conflict", "intent not applied whole", {
      why: "somebody else changes the store all the time",
      fix: "apply it again",
    });
  }

  /** Returns how far to go on: the more, the more numbers others have taken since ours was tried. */
  #skipFor(tried: number, tries: number): number {
    const rivals = Math.max(1, lastRevision(this.#mirror.documents) + 1 - tried);
    return Math.floor(this.#chance() * Math.min(MOST_SKIPPED, rivals * 4 ** (tries + 1)));
  }

  /** Does the plan's commits; gives the key in which another writer was faster. */
  async #commitAll(
    plan: Plan,
    frame: Frame,
    request: IntentRequest,
  ): Promise<string | undefined> {
    const commits = planCommits(plan);
    if (commits.length > 1 && !await this.#keepRequest(frame, request)) {
      return keys.revision(frame.n);
    }
    return await commitAll(commits, async (commit, { isFirst, isLast, revisions }) => {
      // Checked by all, so that who ends the frame ends them; written only by its ends, as whoever
      // writes a key has to wait for all who check it.
      const check = frame.check();
      const write = isLast ? [frame.write("done")] : isFirst ? [frame.write("applying")] : [];
      const result = await this.#mirror.tryCommit(
        [...resolveChecks(commit, revisions), check],
        [...commit.writes, ...write],
      );
      if (result.done && write.length > 0) frame.written(result.revision);
      return result;
    });
  }

  /** Opens the frame with the whole request, if that is too long for the frame and not kept yet. */
  async #keepRequest(frame: Frame, request: IntentRequest): Promise<boolean> {
    if (frame.isOpen || !frame.hasParts()) return true;
    const opened = await this.#mirror.tryCommit([frame.check()], [frame.write("applying")]);
    if (!opened.done) return false;
    frame.written(opened.revision);
    const kept = await Promise.all(
      requestWrites(frame.n, request).map((write) =>
        this.#mirror.tryCommit([frame.check()], [write])
      ),
    );
    return kept.every(({ done }) => done);
  }
}

/** The revision record around an apply's commits: two applies at once never share one. */
class Frame {
  readonly #next: () => RevisionRecord;
  #record: RevisionRecord | undefined;
  #revision = 0;

  constructor(next: () => RevisionRecord) {
    this.#next = next;
  }

  get n(): number {
    return this.#record?.n ?? 0;
  }

  /** Whether it has been written. */
  get isOpen(): boolean {
    return this.#revision > 0;
  }

  /** Reports whether the request needs documents of its own. */
  hasParts(): boolean {
    return (this.#record ??= this.#next()).parts !== undefined;
  }

  /** Returns what must hold: nobody has taken the number, or it is as we left it. */
  check(): Check {
    // A number that was not written yet may have become another's meanwhile.
    if (!this.isOpen) this.#record = this.#next();
    return { key: keys.revision(this.n), revision: this.#revision };
  }

  /** Returns the record's write, with the number that was checked last. */
  write(state: RevisionRecord["state"]): Write {
    const value = this.#record ??= this.#next();
    return record({ ...value, state });
  }

  written(revision: number): void {
    this.#revision = revision;
  }
}

function record(value: RevisionRecord): Write {
  return { key: keys.revision(value.n), value: JSON.parse(JSON.stringify(value)) };
}
