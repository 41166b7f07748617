// Running pods whose attachment is not in the store: it was lost, and is filled again object by object. Their ports are
// left as they are until it is decided what becomes of them: an intent may still bring the endpoints back.

import type { AttachmentRecord, Documents } from "../../intent/records.ts";
import { indexKeys } from "../../intent/store_index.ts";
import { isUnreachable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { attachmentFromPort, hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import type { Actual } from "../pods/steps.ts";
import { attachmentKey, findEndpoint } from "../store/documents.ts";
import { interruptedRevisions } from "../store/revisions.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { planBinding } from "./restore_attachments.ts";
import { formerHolder, ownerOf, planRestoration } from "./restore_endpoints.ts";
import { type AliveDeps, isAliveOrUnknown } from "./sandbox_liveness.ts";

// For an intent that comes in several files, or from several operators.
const WAIT_MS = 30_000;
// The same from the last change on while an intent is being applied, but no longer than this altogether.
const LONGEST_MS = 600_000;

/** What deciding about unrecorded pods works with. */
export interface UnrecordedPodsDeps extends AliveDeps {
  readonly host: string;
  readonly store: Pick<StoreCache, "documents" | "isWhole" | "read">;
  readonly plumbing: Pick<Plumbing, "observe">;
  readonly sandboxes: Pick<Sandboxes, "tornDown">;
  /** Monotonic milliseconds. */
  readonly clock: { readonly now: () => number };
  readonly log: Pick<Log, "warn">;
}

/** Running pods whose attachment is not recorded, and since when. */
export class UnrecordedPods {
  readonly #deps: UnrecordedPodsDeps;
  readonly #since = new Map<string, number>();
  /** How many documents were known, and since when it is that many. */
  #known = { count: 0, since: 0 };

  constructor(deps: UnrecordedPodsDeps) {
    this.#deps = deps;
  }

  /** Reports whether a pod among those of `rows` has to wait for its endpoint; logged when the first one begins to. */
  async areWaiting({ rows }: Pick<Actual, "rows">): Promise<boolean> {
    const { clock, log, store } = this.#deps;
    const undecided = await this.#undecided(rows);
    const ids = new Set(undecided.map(({ id }) => id));
    for (const id of this.#since.keys()) if (!ids.has(id)) this.#since.delete(id);
    const now = clock.now();
    const count = store.documents.size;
    if (count !== this.#known.count) this.#known = { count, since: now };
    const isFirst = this.#since.size === 0 && ids.size > 0;
    for (const id of ids) if (!this.#since.has(id)) this.#since.set(id, now);
    const waits = [...this.#since.values()].map((since) => now - since);
    const isFilled = now - this.#known.since < WAIT_MS && waits.some((ms) => ms < LONGEST_MS);
    const isWaiting = waits.some((ms) => ms < WAIT_MS) || (isFilled && await this.#isApplying());
    if (isFirst && isWaiting) {
      log.warn(
        "running pods are not in the store: they stay attached while it may be filled again",
        {
          pods: undecided.map(({ pod }) => `${pod.namespace}/${pod.name}`).slice(0, 5).join(","),
          count: ids.size,
        },
      );
    }
    return isWaiting;
  }

  async #undecided(rows: Actual["rows"]): Promise<AttachmentRecord[]> {
    const found = this.#undecidedAmong(rows);
    if (found.length === 0) return found;
    const alive = await Promise.all(found.map((one) => isAliveOrUnknown(this.#deps, one)));
    const living = new Set(found.filter((_, at) => alive[at]).map(hostEndOf));
    // A teardown may have taken row and record meanwhile.
    const now = await this.#deps.plumbing.observe((name) => living.has(name));
    return this.#undecidedAmong(now.rows);
  }

  #undecidedAmong(rows: Actual["rows"]): AttachmentRecord[] {
    const { host, store: { documents }, sandboxes: { tornDown } } = this.#deps;
    return rows.flatMap((row) => attachmentFromPort(row) ?? []).filter((one) =>
      one.host === host && !tornDown.has(one.sandbox) && isUndecided(documents, host, one)
    );
  }

  async #isApplying(): Promise<boolean> {
    const { store } = this.#deps;
    if (store.isWhole) return interruptedRevisions(store.documents).length > 0;
    try {
      return (await store.read(indexKeys.unfinished)).size > 0;
    } catch (error) {
      if (isUnreachable(error)) return true;
      throw error;
    }
  }
}

/** Reports whether an endpoint may still come for an attachment without a record, or has just come. */
export function isUndecided(documents: Documents, host: string, one: AttachmentRecord): boolean {
  if (documents.has(attachmentKey(one))) return false;
  if (planBinding({ host, store: { documents } }, one)) return true;
  if (planRestoration(documents, one, formerHolder(documents, host, one))) return true;
  return !findEndpoint(documents, one) && ownerOf(documents, one) === undefined;
}
