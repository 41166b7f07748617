// Applies intents to the store: plans on the cached documents and commits the plan, enclosed by a revision
// record. Used by the agent, and by commands with --store.

import { changesOf } from "../../intent/intent_changes.ts";
import { shortImpact } from "../../intent/plan_impact.ts";
import { planCommits, resolveChecks } from "../../intent/plan_commits.ts";
import { planRestore } from "../../intent/plan_restore.ts";
import { type Documents, keys } from "../../intent/records.ts";
import { planChange } from "../../intent/partial_plan.ts";
import { readableAt } from "../../intent/readable.ts";
import { planBindings } from "../../intent/plan.ts";
import type { Plan } from "../../intent/plan/operation.ts";
import { parseBindings, parseIntent } from "../../intent/schema.ts";
import { appliesWrite, indexWrites, wordsIn } from "../../intent/store_index.ts";
import type { Write } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Report } from "../../util/progress.ts";
import type { IntentRequest, PlanAnswer } from "../api/intent_requests.ts";
import type { StoreCache } from "./store_cache.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { findRequest, requestDeletions, requestWrites } from "./apply_requests.ts";
import { ApplyRevision, writeOf } from "./apply_revision.ts";
import { pastRecords } from "./revision_history.ts";
import {
  interruptedRevisions,
  lastRevision,
  nextRevision,
  type RevisionRecord,
  revisionsOf,
} from "./revisions.ts";
import { commitAll } from "./parallel_commits.ts";

// A plan gets stale when another client writes; this often in a row only under heavy contention.
const TRIES = 30;
// Most free addresses and revision numbers to skip.
const MAX_SKIP = 1_000;
const PAUSE_MS = 10;
const CONTENDED = /^(claims\/ip|revisions)\//;

/** What accompanies an apply. */
export interface ApplyCourse {
  /** Objects. */
  readonly report?: Report;
  /** Ends the apply between two commits: then it fails, and its revision is recorded as interrupted. */
  readonly signal?: AbortSignal;
}

/** An apply in progress. */
interface Apply extends ApplyCourse {
  readonly request: IntentRequest;
  readonly record: ApplyRevision;
}

/** Returns the plan of a request on `documents`; for `skip` see DesiredIntent. Faults: as parseIntent() and planIntent(). */
export function planRequest(
  documents: Documents,
  request: IntentRequest,
  skip = 0,
): { readonly plan: Plan; readonly answer: PlanAnswer } {
  const { plan, notes } = planMode(documents, request, skip);
  const operations = plan.operations.map(({ verb, kind, name, lines }) => ({
    verb,
    kind,
    name,
    lines,
  }));
  return { plan, answer: { operations, warnings: [...notes, ...plan.warnings] } };
}

function planMode(
  documents: Documents,
  { mode, text, to = 0, force = false, strict = false }: IntentRequest,
  skip: number,
): { readonly plan: Plan; readonly notes: readonly string[] } {
  if (mode === "bindings") return { plan: planBindings(documents, parseBindings(text)), notes: [] };
  if (mode !== "rollback") return planFile(documents, { mode, text, force, strict, skip });
  const plan = planRestore(documents, pastRecords(documents, to), { force, skip });
  return { plan, notes: [] };
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
  const isRecorded = (key: string, field: string, value: string) =>
    mode === "delete" || readableAt<Record<string, unknown>>(documents, key)?.[field] === value;
  const { intent, warnings } = parseIntent(text, {
    ...{ strict, isRecorded, areNamesEnough: mode === "delete" },
  });
  return { plan: planChange(documents, { mode, intent, force, skip }), notes: warnings };
}

/** Reports whether many may want what `key` is for: a second revision at the same time is no crowd. */
function isContended(key: string, tries: number): boolean {
  return CONTENDED.test(key) && (tries > 0 || !key.startsWith("revisions/"));
}

/** Ends the commits of an apply that is interrupted. */
class Interruption extends Error {}

/** Applies intents to one store, one at a time. */
export class IntentStore {
  readonly #cache: StoreCache;
  readonly #clock: () => string;
  readonly #random: () => number;
  readonly #queue = new KeyedQueue();

  /** `random` returns 0 up to 1; it differs in each process, which keeps competing clients apart. */
  constructor(cache: StoreCache, clock: () => string, random: () => number = Math.random) {
    this.#cache = cache;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Applies the request and returns what changed. Plans again if other clients made the plan stale. Faults: of the
   * plan; conflict, if others keep changing the store; failed, if the signal aborts.
   */
  apply(request: IntentRequest, course: ApplyCourse = {}): Promise<PlanAnswer> {
    const { base, ...recorded } = request;
    return this.#queue.run("apply", () => this.#apply(recorded, base, course));
  }

  /** Finishes applies that a crash interrupted, oldest first, if their request was recorded completely. */
  async finishInterrupted(): Promise<{ readonly n: number; readonly isFinished: boolean }[]> {
    const ended: { n: number; isFinished: boolean }[] = [];
    for (const left of interruptedRevisions(this.#cache.documents)) {
      ended.push({ n: left.n, isFinished: await this.#finish(left) });
    }
    await this.#forgetRequests();
    return ended;
  }

  async #finish(left: RevisionRecord): Promise<boolean> {
    const request = findRequest(this.#cache.documents, left);
    try {
      if (request) await this.apply(request);
      return request !== undefined;
    } catch (error) {
      throw new Fault("failed", `revision ${left.n} was interrupted and cannot be finished`, {
        why: faultFrom(error).message,
        fix: "apply the intent again",
        cause: error,
      });
    } finally {
      await this.#cache.commit((documents) => {
        const key = keys.revision(left.n);
        const known = documents.get(key);
        // The client that began it may be alive and have finished it meanwhile.
        if ((known?.value as RevisionRecord | undefined)?.state !== "applying") return undefined;
        const write = writeOf({ ...left, state: "interrupted" });
        return { checks: [{ key, revision: known?.revision ?? 0 }], writes: [write] };
      });
    }
  }

  /** Removes the requests of applies that have ended. What a crash leaves is removed the next time. */
  async #forgetRequests(): Promise<void> {
    const { documents } = this.#cache;
    const open = new Set(interruptedRevisions(documents).map(({ n }) => n));
    const deletions = requestDeletions(documents, (n) => !open.has(n));
    while (deletions.length > 0) await this.#cache.tryCommit([], deletions.splice(0, 90));
  }

  async #apply(
    request: IntentRequest,
    base: number | undefined,
    course: ApplyCourse,
  ): Promise<PlanAnswer> {
    this.#checkBase(base);
    const first = planRequest(this.#cache.documents, request);
    if (first.plan.operations.length === 0) return first.answer;
    const started = { at: this.#clock(), request, changes: first.plan.operations.length };
    let skip = 0;
    // Behind a base no number may be skipped: another client could take it unnoticed.
    const record = new ApplyRevision(() =>
      nextRevision(this.#cache.documents, started, base === undefined ? skip : 0)
    );
    let { plan } = first;
    const { documents } = this.#cache;
    const answer = { ...first.answer, ...shortImpact(documents, changesOf(documents, plan)) };
    for (let tries = 0; tries < TRIES; tries++) {
      record.setChanges(changesOf(this.#cache.documents, plan));
      const conflict = await this.#commitAll(plan, { ...course, record, request });
      if (conflict === undefined) {
        await this.#forgetRequests();
        return { ...answer, revision: record.n };
      }
      await new Promise((done) => setTimeout(done, this.#random() * PAUSE_MS * tries));
      await this.#cache.learn(conflict);
      if (!record.isOpen) this.#checkBase(base);
      // Other clients choose what we chose: the same lowest free address, the same next number.
      if (isContended(conflict, tries)) skip = this.#skipFor(record.n, tries);
      ({ plan } = planRequest(this.#cache.documents, request, skip));
      if (plan.operations.length > 0) continue;
      await this.#close(record, "done");
      await this.#forgetRequests();
      return { ...answer, revision: record.n };
    }
    throw new Fault("conflict", "intent not applied completely", {
      why: "other clients keep changing the store",
      fix: "apply it again",
    });
  }

  /** Faults: conflict, if `base` is given and not the last revision. */
  #checkBase(base: number | undefined): void {
    const last = revisionsOf(this.#cache.documents).at(-1);
    if (base === undefined || base === (last?.n ?? 0)) return;
    throw new Fault("conflict", "the intent has changed meanwhile", {
      why: last &&
        `revision ${last.n} was made by ${last.by ?? "somebody"}, ${
          last.source ?? "from an unknown file"
        }`,
      fix: "see k8contivnet history -p, and edit it again",
    });
  }

  /** Returns how many to skip: the more, the more numbers others have taken since ours was tried. */
  #skipFor(tried: number, tries: number): number {
    const rivals = Math.max(1, lastRevision(this.#cache.documents) + 1 - tried);
    return Math.floor(this.#random() * Math.min(MAX_SKIP, rivals * 4 ** (tries + 1)));
  }

  /** Returns the plan with what its commits write to the indexes: it counts where the plan is split. */
  #withIndexes(plan: Plan): Plan {
    if (!this.#cache.isShared) return plan;
    const { documents } = this.#cache;
    const operations = plan.operations.map((one) => ({
      ...one,
      writes: [...one.writes, ...indexWrites(documents, one.writes)],
    }));
    return { ...plan, operations };
  }

  /** Commits the plan; returns the key of the first conflict with another client. Faults: failed, if interrupted. */
  async #commitAll(plan: Plan, apply: Apply): Promise<string | undefined> {
    const { record, request, report, signal } = apply;
    const of = record.committedCount + plan.operations.length;
    const indexed = this.#withIndexes(plan);
    record.addWords(wordsIn(indexed.operations.flatMap(({ writes }) => writes)));
    const commits = planCommits(indexed);
    const isSmall = commits.length === 1 && record.areChangesShort;
    if (signal?.aborted) throw await this.#interrupted(record, of);
    if (!isSmall && !await this.#open(record, request)) return keys.revision(record.n);
    return await commitAll(commits, async (commit, { isFirst, isLast, revisions }) => {
      if (signal?.aborted) throw new Interruption();
      // Every commit checks the revision record, so that writing it stops them all; only the first and
      // the last write it, as a write of a key waits for all commits that check the key.
      const check = record.check();
      const write = isLast ? [record.write("done")] : isFirst ? [record.write("applying")] : [];
      const result = await this.#cache.tryCommit(
        [...resolveChecks(commit, revisions), check],
        [
          ...commit.writes,
          ...write,
          ...isSmall ? record.changeWrites() : [],
          ...isLast && this.#cache.isShared
            ? [appliesWrite(this.#cache.documents, record.n, record.words)]
            : [],
        ],
      );
      if (result.done && write.length > 0) record.written(result.revision);
      if (result.done) record.committed(commit.objects);
      report?.(record.committedCount, of);
      return result;
    }).catch(async (error) => {
      throw error instanceof Interruption ? await this.#interrupted(record, of) : error;
    });
  }

  /** Records that an apply is interrupted, and what it has changed until then. */
  async #interrupted(record: ApplyRevision, of: number): Promise<Fault> {
    const done = revisionsOf(this.#cache.documents).filter(({ state }) => state === "done").at(-1);
    if (record.isOpen) await this.#close(record, "interrupted");
    await this.#forgetRequests();
    const count = record.committedCount;
    if (count === 0) return new Fault("failed", "apply interrupted", { why: "nothing is changed" });
    return new Fault("failed", "apply interrupted", {
      why: `${count} of ${of} objects are changed, as revision ${record.n}`,
      fix: `apply it again to complete it, or go back with k8contivnet rollback ${done?.n ?? 0}`,
    });
  }

  /** Writes the revision record, what the plan changes, and a request that is too long for the record. */
  async #open(record: ApplyRevision, request: IntentRequest): Promise<boolean> {
    const isNew = !record.isOpen;
    const opened = await this.#cache.tryCommit([record.check()], [record.write("applying")]);
    if (!opened.done) return false;
    record.written(opened.revision);
    const parts = isNew && record.hasParts() ? requestWrites(record.n, request) : [];
    return await this.#writeEach(record, [...parts, ...record.changeWrites()]);
  }

  async #writeEach(record: ApplyRevision, writes: readonly Write[]): Promise<boolean> {
    const stored = await Promise.all(
      writes.map((write) => this.#cache.tryCommit([record.check()], [write])),
    );
    return stored.every(({ done }) => done);
  }

  /**
   * Ends a revision whose changes are not all committed: another client has finished the apply, or it was interrupted.
   * What is left of it is what was committed.
   */
  async #close(record: ApplyRevision, state: "done" | "interrupted"): Promise<void> {
    record.setChanges([]);
    for (let tries = 0; tries < TRIES; tries++) {
      const isStored = !record.isOpen || await this.#writeEach(record, record.changeWrites());
      const ended = await this.#cache.tryCommit([record.check()], [
        record.write(state),
        ...record.isOpen ? [] : record.changeWrites(),
      ]);
      if (isStored && ended.done) return;
      await this.#cache.learn(keys.revision(record.n));
    }
  }
}
