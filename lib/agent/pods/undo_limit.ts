// The undo of a step that failed.

import type { Notifier } from "../../util/async/notifier.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";

/** What an undo works with. */
export interface UndoDeps {
  readonly log: Pick<Log, "warn">;
  /** Notified where an undo has to be finished by the next reconciliation. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

// How long the answer to a caller waits for an undo. An unreachable Open vSwitch would take its whole
// limit of 8 s for the undo, too.
const UNDO_MS = 1_500;

/**
 * Waits for an undo, but not long: what it leaves, the next reconciliation removes as a stray, and the
 * caller is better served by the reason of the failure.
 */
export async function withinUndoLimit(
  { log, reconcileSignal }: UndoDeps,
  undoing: Promise<void>,
): Promise<void> {
  const undone = undoing.catch((error) => {
    log.warn(`undo left to the next reconciliation: ${faultFrom(error).message}`);
    reconcileSignal.notify();
  });
  await withDeadline(performance.now() + UNDO_MS, "undo", undone).catch(() => {});
}
