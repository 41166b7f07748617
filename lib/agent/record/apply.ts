// Intent into the store: plans on the mirror's documents and commits what the plan says, framed by a
// revision record. Used by the agent, and by commands that were given --store.

import { planCommits, resolveChecks } from "../../intent/commits.ts";
import { type Documents, keys } from "../../intent/records.ts";
import { planBindings, planIntent } from "../../intent/plan.ts";
import type { Plan } from "../../intent/plan/operation.ts";
import { parseBindings, parseIntent } from "../../intent/schema.ts";
import type { Check, Write } from "../../store/store.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { IntentRequest, PlanAnswer } from "../api.ts";
import type { Mirror } from "./mirror.ts";
import { Queue } from "../look/queue.ts";
import { interruptedRevision, nextRevision, type RevisionRecord } from "./revisions.ts";
import { commitAll } from "./side_by_side.ts";

// Another writer makes a plan stale; that many times in a row only a store that is fought over does.
const TRIES = 10;

/** Gives the plan of a request on `documents`. Faults: as parseIntent() and planIntent(). */
export function planRequest(
  documents: Documents,
  { mode, text, force = false, strict = false }: IntentRequest,
): { readonly plan: Plan; readonly answer: PlanAnswer } {
  const { plan, notes } = mode === "bindings"
    ? { plan: planBindings(documents, parseBindings(text)), notes: [] }
    : planFile(documents, { mode, text, force, strict });
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
  { mode, text, force, strict }: {
    mode: "add" | "replace" | "delete";
    text: string;
    force: boolean;
    strict: boolean;
  },
): { readonly plan: Plan; readonly notes: readonly string[] } {
  const { intent, warnings } = parseIntent(text, { strict });
  return { plan: planIntent(documents, { mode, intent, force }), notes: warnings };
}

/** Applies intents to one store, one at a time. */
export class IntentStore {
  readonly #mirror: Mirror;
  readonly #clock: () => string;
  readonly #queue = new Queue();

  constructor(mirror: Mirror, clock: () => string) {
    this.#mirror = mirror;
    this.#clock = clock;
  }

  /** Makes the request come true; gives what changed. A plan that others made stale is made anew. */
  apply(request: IntentRequest): Promise<PlanAnswer> {
    return this.#queue.run("apply", () => this.#apply(request));
  }

  /** Finishes an apply that a crash cut off; gives its revision, undefined where there is none. */
  async finishInterrupted(): Promise<number | undefined> {
    const left = interruptedRevision(this.#mirror.documents);
    if (!left) return undefined;
    try {
      if (left.request) await this.apply(left.request);
    } catch (error) {
      throw new Fault("failed", `revision ${left.n} was cut off and cannot be finished`, {
        why: faultFrom(error).message,
        fix: "apply the intent again",
        cause: error,
      });
    } finally {
      await this.#mirror.commit((documents) => {
        const key = keys.revision(left.n);
        const revision = documents.get(key)?.revision ?? 0;
        return { checks: [{ key, revision }], writes: [record({ ...left, state: "interrupted" })] };
      });
    }
    return left.n;
  }

  async #apply(request: IntentRequest): Promise<PlanAnswer> {
    const first = planRequest(this.#mirror.documents, request);
    if (first.plan.operations.length === 0) return first.answer;
    const began = { at: this.#clock(), request, changes: first.plan.operations.length };
    const frame = new Frame(() => nextRevision(this.#mirror.documents, began));
    let { plan } = first;
    for (let tries = 0; tries < TRIES; tries++) {
      if (await this.#commitAll(plan, frame)) return { ...first.answer, revision: frame.n };
      await this.#mirror.reload();
      ({ plan } = planRequest(this.#mirror.documents, request));
      if (plan.operations.length > 0) continue;
      // Somebody else finished it; what we began is done all the same.
      await this.#mirror.tryCommit([], [frame.write("done")]);
      return { ...first.answer, revision: frame.n };
    }
    throw new Fault("conflict", "intent not applied whole", {
      why: "somebody else changes the store all the time",
      fix: "apply it again",
    });
  }

  /** Does the plan's commits; false when another writer was faster. */
  #commitAll(plan: Plan, frame: Frame): Promise<boolean> {
    return commitAll(planCommits(plan), async (commit, { isFirst, isLast, revisions }) => {
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

  /** Gives what must hold: nobody has taken the number, or it is as we left it. */
  check(): Check {
    // A number that was not written yet may have become another's meanwhile.
    if (this.#revision === 0) this.#record = this.#next();
    return { key: keys.revision(this.n), revision: this.#revision };
  }

  /** Gives the record's next write. */
  write(state: RevisionRecord["state"]): Write {
    const value = this.#record ?? this.#next();
    return record({ ...value, state });
  }

  written(revision: number): void {
    this.#revision = revision;
  }
}

function record(value: RevisionRecord): Write {
  return { key: keys.revision(value.n), value: JSON.parse(JSON.stringify(value)) };
}
